import type { Access } from './access.ts';
import type { AppUrls } from './app.ts';

export interface PanelContent extends Access {
  readonly urls: AppUrls;
  /** Where the pasted job's webhook goes. */
  readonly receiver: string;
  /** A folder outside the checkout, when dev keeps its state there. */
  readonly state: string | undefined;
  /** What a reader would not expect: busy ports, missing servers. */
  readonly notes: readonly string[];
  readonly seconds: string;
}

export function panel({ urls, database, key, receiver, state, notes, seconds }: PanelContent): string {
  const rows = [
    ['API', urls.api],
    ['Docs', `${urls.api}/docs`],
    ['Metrics', `${urls.metrics}/metrics`],
    // In quotes: the URL has a question mark.
    ['Database', `psql '${database}'`],
    ['API key', `${key} (24 h)`],
    ...(state === undefined ? [] : [['State', state]]),
    ...notes.map((note) => ['Note', note]),
  ];
  const job = JSON.stringify({
    type: 'webhook.deliver',
    payload: { url: receiver, body: { hello: 'world' } },
  });
  return `
Dragonfly runs (${seconds} s)

${rows.map(([name = '', value = '']) => `  ${name.padEnd(10)}${value}`).join('\n')}

  Queue a job:
  curl -s ${urls.api}/v1/jobs -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${job}'

  Saving a file restarts the app. Ctrl-C stops everything, and keeps the data.
`;
}
