import { describe, expect, it } from 'vitest';
import { connectQueue, newType, newWorker, only } from './queue.ts';

const queue = await connectQueue();
const { api, owner, worker, queueJob, claim, claimed, report, beat } = queue;

describe('[DEP-4] frozen queues', () => {
  it('give no job to anybody until they are unfrozen, take new ones, and let running ones end', async () => {
    const running = await claimed();
    const type = newType();
    await owner`select ops.freeze_queues()`;
    await owner`select ops.freeze_queues()`;
    await queueJob({ type });
    expect(await claim(type)).toEqual([]);
    expect(await report(running, { status: 'completed' })).toBe(true);
    expect(only(await api()`select ops.frozen_since() < clock_timestamp() as frozen`)).toEqual({
      frozen: true,
    });
    await owner`select ops.unfreeze_queues()`;
    expect(only(await api()`select ops.frozen_since() as since`)).toEqual({ since: null });
    expect(await claim(type)).toHaveLength(1);
  });
});

describe('a command to a worker', () => {
  it.for(['drain', 'stop', 'run'])('%s is what its next beat tells it', async (command) => {
    const id = newWorker();
    await beat(id, 60);
    expect(only(await owner`select ops.command_worker(${id}, ${command}) as found`)).toEqual({ found: true });
    const rows = await worker`
      select command from ops.worker_beat(${id}, 'test', 'localhost', 'running', 60, null, null)`;
    expect(rows).toEqual([{ command }]);
    expect(await api()`select command from ops.workers where id = ${id}`).toEqual([{ command }]);
  });

  it('says when there is no such worker, and refuses what is no command', async () => {
    expect(only(await owner`select ops.command_worker(${newWorker()}, 'stop') as found`)).toEqual({
      found: false,
    });
    await expect(owner`select ops.command_worker('w', 'dance')`).rejects.toMatchObject({ code: '22023' });
  });
});
