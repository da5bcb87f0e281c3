import { DomainError } from '#src/domain/errors.ts';
import fp from 'fastify-plugin';

const MAX_DEPTH = 64;

/** SEC-13: JSON that is nested too deep is refused before anything recursive looks at it. */
export const bodyDepth = fp(
  (app, _options, done) => {
    app.addHook('preValidation', (request, _reply, next) => {
      next(isDeeper(request.body, MAX_DEPTH) ? tooDeep() : undefined);
    });
    done();
  },
  { name: 'body-depth' },
);

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const item of Object.values(value)) if (isDeeper(item, levels - 1)) return true;
  return false;
}

function tooDeep(): DomainError {
  const detail = `The body is nested deeper than ${MAX_DEPTH} levels.`;
  return new DomainError('validation_failed', detail, { fields: [{ pointer: '', detail }] });
}
