/** The object at a JSON pointer, to be broken. */
export const at = (document: object, pointer: string): Record<string, unknown> =>
  pointer
    .split('/')
    .slice(1)
    .reduce<object>(
      (value, name) => value[name.replaceAll('~1', '/') as keyof typeof value],
      document,
    ) as Record<string, unknown>;
