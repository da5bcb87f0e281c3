import { Forbidden } from '../forbidden.ts';

/** DATA-2: down steps are for development. @throws Forbidden in prod */
export async function takeBackNewest<T>(env: string, down: () => Promise<T>): Promise<T> {
  if (env === 'prod')
    throw new Forbidden('In prod a rollback is a new migration, named _rollback_<issue> (DATA-2).');
  return await down();
}
