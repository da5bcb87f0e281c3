import { DomainError } from '#src/domain/errors.ts';
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './problems/http-error.ts';

const MAX_DEPTH = 64;
/** Some 4 µs of the one thread each, until they are stored: more than a full batch of jobs needs, less than 0.1 s. */
const MAX_VALUES = 20_000;

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * SEC-13: JSON that is nested too deep, or of more values than any honest body, is refused before anything is made of it.
 * Many clients name a type whether or not they send anything, so an empty body is none.
 */
export function jsonParser(app: FastifyInstance): FastifyBodyParser<string> {
  const parse = app.getDefaultJsonParser('error', 'error');
  return (request, body, done) => {
    if (body === '') {
      done(null);
      return;
    }
    const fault = isCoded(request) ? new HttpError('media_type_unsupported') : faultOf(body);
    if (fault) done(fault);
    else void parse(request, body, done);
  };
}

/** RFC 9110, section 8.4: read as it is, a compressed body would only be malformed. */
const isCoded = ({ headers }: FastifyRequest): boolean =>
  headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity';

/** In one pass over the text, which need not be JSON. What is empty counts twice. */
function faultOf(text: string): DomainError | HttpError | undefined {
  let depth = 0;
  let values = 1;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) isInString = !isInString;
    else if (isInString) index += character === BACKSLASH ? 1 : 0;
    else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) depth -= 1;
    else if (character === OPEN_BRACE || character === OPEN_BRACKET) {
      values += 1;
      depth += 1;
    } else if (character === COMMA) values += 1;
    if (depth > MAX_DEPTH) return tooDeep();
    if (values > MAX_VALUES) return new HttpError('body_too_large');
  }
  return undefined;
}

function tooDeep(): DomainError {
  const detail = `The body is nested deeper than ${MAX_DEPTH} levels.`;
  return new DomainError('validation_failed', detail, { fields: [{ pointer: '', detail }] });
}
