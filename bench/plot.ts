import type { Row } from './report.ts';

const [LEFT, BAR, WIDTH, LINE] = [330, 400, 800, 28];
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** An SVG of the ratios: a bar a row, with a mark at what must hold (red) and at what we want (green). */
export function plot(rows: readonly Row[]): string {
  const most = Math.max(
    1,
    ...rows.flatMap(({ ratio, bound, goal, must }) =>
      bound === 'value at most' ? [ratio] : [ratio, must ?? 0, goal ?? 0],
    ),
  );
  const x = (ratio: number): number => Math.round(LEFT + (BAR * ratio) / most);
  const mark = (ratio: number, y: number, colour: string): string =>
    `<line x1="${x(ratio)}" x2="${x(ratio)}" y1="${y - 4}" y2="${y + 20}" stroke="${colour}" stroke-width="2"/>`;

  const bars = rows.map(({ name, peer, ratio, bound, must, goal }, index) => {
    const y = LINE * index + 10;
    const marks =
      bound === null || bound === 'value at most'
        ? ''
        : mark(must ?? 0, y, 'red') + mark(goal ?? 0, y, 'green');
    return `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escape(name)}</text>
<rect x="${LEFT}" y="${y}" width="${x(ratio) - LEFT}" height="16" fill="steelblue"><title>÷ ${escape(peer)}</title></rect>
${marks}<text x="${x(ratio) + 6}" y="${y + 13}">${ratio}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${LINE * rows.length + 20}" font-family="sans-serif" font-size="13">
${bars.join('\n')}
</svg>
`;
}
