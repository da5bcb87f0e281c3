import { isDeepStrictEqual } from 'node:util';
import type { Content, Contract, Operation, Security } from './document.ts';
import { type Direction, schemaFaults } from './schema-faults.ts';

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

/**
 * What a client of the contract `before` could not do any more, or would not understand, with the contract `after`.
 *
 * @param today `yyyy-mm-dd`: an operation whose sunset has come may be gone
 * @returns a line for each fault, with the operations that have it
 */
export function breakingChanges(before: Contract, after: Contract, today: string): string[] {
  const operations = operationsOf(after);
  const byFault = new Map<string, string[]>();
  for (const [name, operation] of operationsOf(before)) {
    const now = operations.get(name);
    const faults = now
      ? [...operationFaults(operation, now), ...schemeFaults(operation, before, after)]
      : removalFaults(operation, today);
    for (const fault of faults) byFault.set(fault, [...(byFault.get(fault) ?? []), name]);
  }
  return [...byFault].map(([fault, names]) => `${names.join(', ')}: ${fault}`);
}

/** By method and path, each with what its path and the document say for it. */
const operationsOf = ({ paths = {}, security = [] }: Contract): Map<string, Operation> =>
  new Map(
    Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => Object.hasOwn(item, method)).map((method): [string, Operation] => {
        const operation = item[method] ?? {};
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
        return [`${method.toUpperCase()} ${path}`, Object.assign({ security }, operation, { parameters })];
      }),
    ),
  );

/** Those that answer still, although they said that they would not. */
export const overdueOperations = (contract: Contract, today: string): string[] =>
  [...operationsOf(contract)]
    .filter(([, { 'x-sunset': sunset }]) => sunset !== undefined && sunset <= today)
    .map(
      ([name, { 'x-sunset': sunset }]) =>
        `${name}: its sunset on ${sunset} has come; remove it or move the day`,
    );

function removalFaults({ 'x-sunset': sunset }: Operation, today: string): string[] {
  if (sunset === undefined) return ['is gone without a deprecation before'];
  return sunset <= today ? [] : [`is gone before its sunset on ${sunset}`];
}

function operationFaults(before: Operation, after: Operation): string[] {
  const { operationId: id, 'x-sunset': sunset } = before;
  const { 'x-sunset': sunsetNow } = after;
  const isHurried = sunset !== undefined && sunsetNow !== undefined && sunsetNow < sunset;
  return [
    ...(id === after.operationId ? [] : [`has another operation id, which clients are made from: not ${id}`]),
    ...(isHurried ? [`has its sunset on ${sunsetNow}, before ${sunset}`] : []),
    ...securityFaults(before, after),
    ...parameterFaults(before, after),
    ...bodyFaults(before, after),
    ...answerFaults(before, after),
  ];
}

/** No requirement at all lets in everybody. */
const waysIn = ({ security = [] }: Operation): readonly Security[] => (security.length > 0 ? security : [{}]);

const isEnough = (given: Security, needed: Security): boolean =>
  Object.entries(needed).every(([name, scopes]) => {
    const held = given[name];
    return held !== undefined && scopes.every((scope) => held.includes(scope));
  });

/** Whoever could prove to be let in still can. */
const securityFaults = (before: Operation, after: Operation): string[] =>
  waysIn(before)
    .filter((way) => !waysIn(after).some((other) => isEnough(way, other)))
    .map(
      (way) => `does not let in ${described(way)} any more, but ${waysIn(after).map(described).join(' or ')}`,
    );

const described = (way: Security): string =>
  Object.entries(way)
    .map(([name, scopes]) => [name, ...scopes].join(' '))
    .join(' with ') || 'anybody';

const schemeFaults = (operation: Operation, before: Contract, after: Contract): string[] =>
  waysIn(operation)
    .flatMap(Object.keys)
    .filter((name) => !isDeepStrictEqual(schemeOf(before, name), schemeOf(after, name)))
    .map((name) => `has another security scheme ${name}`);

function schemeOf({ components }: Contract, name: string): object {
  const { description: _, ...scheme } = { description: '', ...components?.securitySchemes?.[name] };
  return scheme;
}

const parametersOf = ({ parameters = [] }: Operation) =>
  new Map(parameters.map((parameter) => [`${parameter.in} parameter ${parameter.name}`, parameter]));

function parameterFaults(before: Operation, after: Operation): string[] {
  const [had, has] = [parametersOf(before), parametersOf(after)];
  const faults = [...had].flatMap(([name, { schema }]) => {
    const now = has.get(name);
    if (!now) return [`does not accept the ${name} any more`];
    return schemaFaults('request', schema, now.schema).map((fault) => `${name}: ${fault}`);
  });
  const needed = [...has].filter(([name, { required }]) => required && !had.get(name)?.required);
  return faults.concat(needed.map(([name]) => `needs the ${name} now`));
}

function bodyFaults({ requestBody: before }: Operation, { requestBody: after }: Operation): string[] {
  if (before && !after) return ['takes no body any more'];
  const faults = before && after ? contentFaults('body', 'request', before, after) : [];
  return after?.required && !before?.required ? ['needs a body now', ...faults] : faults;
}

const answerFaults = (
  { responses: before = {} }: Operation,
  { responses: after = {} }: Operation,
): string[] =>
  Object.entries(before).flatMap(([status, answer]) => {
    const now = after[status];
    const place = `answer ${status}`;
    if (now) return headerFaults(place, answer, now).concat(contentFaults(place, 'response', answer, now));
    // A refusal that there is no longer surprises nobody.
    return /^[45]/.test(status) ? [] : [`does not answer ${status} any more`];
  });

const headerFaults = (
  place: string,
  { headers: before = {} }: Content,
  { headers: after = {} }: Content,
): string[] =>
  Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => `${place}: has no header ${name} any more`);

function contentFaults(place: string, direction: Direction, before: Content, after: Content): string[] {
  return Object.entries(before.content ?? {}).flatMap(([type, { schema }]) => {
    const now = after.content?.[type];
    if (!now) return [`${place}: cannot be ${type} any more`];
    return schemaFaults(direction, schema, now.schema).map((fault) => `${place}: ${fault}`);
  });
}
