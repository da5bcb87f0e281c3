import type { ValueOf } from './variable.ts';
import { clientVariables } from './variables/client.ts';
import { databaseVariables } from './variables/database.ts';
import { httpVariables } from './variables/http.ts';
import { operationsVariables } from './variables/operations.ts';
import { processVariables } from './variables/process.ts';
import { webhookVariables } from './variables/webhooks.ts';
import { workerVariables } from './variables/worker.ts';

/** The one schema of the environment. `.env.example` and docs/configuration.md are generated from it. */
export const variables = {
  ...processVariables,
  ...httpVariables,
  ...databaseVariables,
  ...workerVariables,
  ...webhookVariables,
  ...clientVariables,
  ...operationsVariables,
} as const;

/** The same variables as the documents group them. */
export const variableGroups = {
  Process: processVariables,
  HTTP: httpVariables,
  PostgreSQL: databaseVariables,
  Worker: workerVariables,
  Webhooks: webhookVariables,
  Clients: clientVariables,
  Operations: operationsVariables,
} as const;

export type Variables = typeof variables;
export type VariableName = keyof Variables;
/** The values as far as they could be read: the fault of a missing one is known already. */
export type KnownValues = { readonly [N in VariableName]?: ValueOf<Variables[N]> | undefined };
