/** The messages of an error and its causes, on one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = error instanceof AggregateError ? error.errors.map(reasonOf).join('; ') : error.message;
  return error.cause === undefined ? message : `${message} (${reasonOf(error.cause)})`;
}
