import type { Redis } from 'ioredis';

/** One round trip: counts, and starts the window with the first. */
const INCREMENT = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }`;

const PREFIX = 'dragonfly:count:';

/** Fixed-window counters that all replicas share. Rejects when Redis does not answer in time. */
export const redisCounters = (client: Redis) => ({
  async increment(key: string, windowMs: number): Promise<{ count: number; remainingMs: number }> {
    const [count, remainingMs] = (await client.eval(INCREMENT, 1, `${PREFIX}${key}`, windowMs)) as [
      number,
      number,
    ];
    return { count, remainingMs };
  },
});
