import { narrowEngine } from './narrow.ts';

export const engine = narrowEngine('hinted');
