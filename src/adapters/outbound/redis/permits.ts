import type { Redis } from 'ioredis';

/** One round trip: grants what is wanted as far as the window has it, and begins the window with the first permit. */
const TAKE = `
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local granted = math.max(0, math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used))
if granted > 0 then redis.call('INCRBY', KEYS[1], granted) end
local remaining = redis.call('PTTL', KEYS[1])
if remaining < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  remaining = tonumber(ARGV[3])
end
return { granted, math.max(0, tonumber(ARGV[2]) - used - granted), remaining }`;

const PREFIX = 'dragonfly:permits:';

/** Permits of fixed windows that all replicas share. Rejects when Redis does not answer, or refuses to write. */
export const redisPermits = (client: () => Redis) => ({
  async take(
    key: string,
    wanted: number,
    max: number,
    windowMs: number,
  ): Promise<{ granted: number; left: number; remainingMs: number }> {
    const answer = await client().eval(TAKE, 1, `${PREFIX}${key}`, wanted, max, windowMs);
    const [granted, left, remainingMs] = answer as [number, number, number];
    return { granted, left, remainingMs };
  },
});
