import type { HttpAnswer } from './ports.ts';

/** As much of an answer as a line of a report bears. */
export const startOf = ({ text }: HttpAnswer): string =>
  text.replaceAll(/\s+/g, ' ').trim().slice(0, 200) || 'nothing';
