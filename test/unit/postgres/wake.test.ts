import { expect, it } from 'vitest';
import { createWaker } from '#src/adapters/outbound/postgres/wake.ts';
import { until } from '#test/support/until.ts';

/** A waker whose statements end when the test says so. */
function wakerOn() {
  const sent: unknown[] = [];
  const errors: unknown[] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const waker = createWaker({
    async send({ values: [types] }) {
      sent.push(types);
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      await answer.promise;
    },
    onError: (error, again) => errors.push([error, again]),
    onRecovery: () => errors.push('recovered'),
  });
  /** The statement of that number ends, once it was sent. */
  const answered = async (index: number, error?: Error): Promise<void> => {
    const { resolve, reject } = await until(() => {
      const answer = answers[index];
      if (!answer) throw new Error(`Only ${answers.length} statements were sent.`);
      return answer;
    });
    if (error) reject(error);
    else resolve();
  };
  return { ...waker, sent, errors, answered };
}

it('[ARC-5] wakes at once, and says what comes meanwhile with the next statement, however much it is', async () => {
  const { wake, stop, sent, answered } = wakerOn();
  wake(['a']);
  expect(sent).toEqual([['a']]);
  for (let n = 0; n < 1000; n += 1) wake(['a', n % 2 === 0 ? 'b' : 'c']);
  expect(sent).toHaveLength(1);
  await answered(0);
  await answered(1);
  await stop();
  expect(sent).toEqual([['a'], ['a', 'b', 'c']]);
});

it('says nothing when nothing was queued that can run', async () => {
  const { wake, stop, sent } = wakerOn();
  wake([]);
  await stop();
  expect(sent).toEqual([]);
});

it('[ARC-5] tells when wake-ups begin and cease to fail, does not repeat them, and goes on', async () => {
  const { wake, stop, sent, errors, answered } = wakerOn();
  const lost = new Error('The connection is lost.');
  for (const [index, error] of [lost, lost, undefined, undefined, lost].entries()) {
    wake([`${index}`]);
    await answered(index, error);
  }
  await stop();
  expect(errors).toEqual([[lost, false], [lost, true], 'recovered', [lost, false]]);
  expect(sent).toEqual([['0'], ['1'], ['2'], ['3'], ['4']]);
});

it('[AV-6] stops with what is being said, and leaves the rest to the next poll', async () => {
  const { wake, stop, sent, answered } = wakerOn();
  wake(['a']);
  wake(['b']);
  let stopped = false;
  const stopping = stop().then(() => (stopped = true));
  expect(stopped).toBe(false);
  await answered(0);
  await stopping;
  expect(sent).toEqual([['a']]);
});
