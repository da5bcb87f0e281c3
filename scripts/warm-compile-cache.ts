import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Loads every part of the built service, so that Node writes what it compiled to NODE_COMPILE_CACHE. */
for (const file of globSync('dist/composition/*.js')) await import(pathToFileURL(resolve(file)).href);
