import { type ESTree, Visitor } from 'rolldown/utils';

interface Span {
  readonly start: number;
  readonly end: number;
}
interface Handler extends Span {
  readonly params: readonly Span[];
  readonly body: Span;
  readonly isEmpty: boolean;
}

/**
 * How many handlers of errors – `catch {…}`, `.catch(() => …)`, `.then(…, () => …)` – neither use the error nor say in a
 * comment why not. One that does nothing counts whatever it says.
 */
export function swallowedErrors(program: ESTree.Program, comments: readonly Span[]): number {
  const handlers: Handler[] = [];
  const identifiers: (Span & { readonly name: string })[] = [];
  const propertyNames = new Set<number>();
  new Visitor({
    CatchClause: (clause) => {
      const { start, end, param, body } = clause;
      handlers.push({ start, end, params: param ? [param] : [], body, isEmpty: body.body.length === 0 });
    },
    CallExpression: (call) => {
      const handler = rejectionHandler(call);
      if (handler) handlers.push(handler);
    },
    Identifier: (identifier) => identifiers.push(identifier),
    MemberExpression: ({ computed, property }) => {
      if (!computed) propertyNames.add(property.start);
    },
    Property: ({ computed, shorthand, key }) => {
      if (!computed && !shorthand) propertyNames.add(key.start);
    },
  }).visit(program);

  const variables = identifiers.filter(({ start }) => !propertyNames.has(start));
  return handlers.filter(({ params, body, isEmpty, ...handler }) => {
    const errors = new Set(
      variables.filter((name) => params.some((param) => contains(param, name))).map(({ name }) => name),
    );
    const isUsed = variables.some((variable) => errors.has(variable.name) && contains(body, variable));
    const saysWhy = comments.some((comment) => contains(handler, comment));
    return isEmpty || !(isUsed || saysWhy);
  }).length;
}

const contains = (outer: Span, inner: Span): boolean => outer.start <= inner.start && inner.end <= outer.end;

/** Of `promise.catch(…)` and `promise.then(…, …)`, where it is written in place. */
function rejectionHandler({
  callee,
  arguments: [first, second],
}: ESTree.CallExpression): Handler | undefined {
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return undefined;
  const { name } = callee.property;
  const handler = name === 'catch' ? first : name === 'then' ? second : undefined;
  if (handler?.type !== 'ArrowFunctionExpression' && handler?.type !== 'FunctionExpression') return undefined;
  const { start, end, params, body } = handler;
  if (!body) return undefined;
  return { start, end, params, body, isEmpty: body.type === 'BlockStatement' && body.body.length === 0 };
}
