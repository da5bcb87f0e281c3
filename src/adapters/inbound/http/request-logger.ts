import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';

const METHODS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent', 'child'] as const;

/** Becomes a child of the logger with the first line that is written by it. */
class LazyLogger {
  readonly #make: () => FastifyBaseLogger;
  #made: FastifyBaseLogger | undefined;

  constructor(make: () => FastifyBaseLogger) {
    this.#make = make;
  }

  get made(): FastifyBaseLogger {
    return (this.#made ??= this.#make());
  }

  get level(): string {
    return this.made.level;
  }
}

for (const method of METHODS) {
  Object.defineProperty(LazyLogger.prototype, method, {
    value(this: LazyLogger, ...args: never[]): unknown {
      return Reflect.apply(this.made[method] as () => unknown, this.made, args);
    },
  });
}

/** Fastify makes a logger for each request (OBS-1: it knows the trace id), and most requests never use it. */
export const requestLogger: NonNullable<FastifyServerOptions['childLoggerFactory']> = (
  logger,
  bindings,
  options,
) => new LazyLogger(() => logger.child(bindings, options)) as unknown as FastifyBaseLogger;
