// The same as dragonfly.ts, by way of the pooler that server.ts has started.
import { engineThrough } from './dragonfly.ts';
import { poolerOf } from './server.ts';

export const engine = engineThrough(poolerOf(process.env));
