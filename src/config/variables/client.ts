import { z } from 'zod';
import { required, url, withDefault } from '../variable.ts';

const client = { roles: ['jobs'] } as const;

/** For commands that are clients of a running service. */
export const clientVariables = {
  DRAGONFLY_API_URL: withDefault(
    url(/^https?$/, 'https://jobs.example.com').refine(
      (text) => !URL.parse(text)?.username && !URL.parse(text)?.password,
      'A URL without user and password.',
    ),
    'http://127.0.0.1:3000',
    'The API that `jobs` calls.',
    client,
  ),
  DRAGONFLY_API_KEY: required(
    z.string().startsWith('dfk_', 'An API key, dfk_…'),
    'The API key that `jobs` calls it with; the organisation is that of the key.',
    { ...client, tier: 'sensitive' },
  ),
} as const;
