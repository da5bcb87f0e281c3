import type { FastifyRequest } from 'fastify';

/** The template of a request's route, the same for all ids: bounded, and never what a client wrote. */
export const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? 'unmatched';
