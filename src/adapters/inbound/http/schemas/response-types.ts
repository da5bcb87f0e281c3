import { z } from 'zod';

/**
 * What a response says of a text or number, unchecked: the database and the types have checked it, and a pattern for each
 * field of each item of a list costs more than the rest of the answer.
 */
export const formatted = (format: 'date-time' | 'uri' | 'uuid') => z.string().meta({ format });
export const integer = () => z.number().meta({ type: 'integer' });
