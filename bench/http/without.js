// Loaded before the service by `--import`: takes one duty out of the sources as they are loaded, so that the rest is the
// real composition, and production needs no switch that turns a law off. BENCH_WITHOUT holds edits as JSON.
import { registerHooks } from 'node:module';

const edits = JSON.parse(process.env.BENCH_WITHOUT);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const fitting = edits.filter(({ file }) => url.endsWith(file));
    if (fitting.length === 0) return loaded;
    let source = new TextDecoder().decode(loaded.source);
    for (const { file, pattern, replacement } of fitting) {
      const edited = source.replaceAll(new RegExp(pattern, 'g'), replacement);
      if (edited === source) throw new Error(`bench: ${file} has no ${pattern} any more.`);
      source = edited;
    }
    return { ...loaded, source };
  },
});
