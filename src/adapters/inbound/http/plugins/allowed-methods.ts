import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** What `Allow` says of the resource at this path (RFC 9110, section 10.2.1); undefined where there is none. */
    allowedMethods(path: string): string | undefined;
  }
}

/** Remembers the methods of every path, whatever scope its route is in. The router itself only knows routes, not resources. */
export const allowedMethods = fp(
  (app, _options, done) => {
    const routes: { readonly template: string; readonly methods: readonly string[] }[] = [];

    app.addHook('onRoute', ({ url, method }) => {
      // CORS has a route for all paths, to see their preflights.
      if (url !== '*') routes.push({ template: url, methods: [method].flat() });
    });
    app.decorate('allowedMethods', (path: string) => {
      const methods = routes.filter(({ template }) => isAt(path, template)).flatMap((route) => route.methods);
      return methods.length > 0 ? [...new Set([...methods, 'OPTIONS'])].toSorted().join(', ') : undefined;
    });
    done();
  },
  { name: 'allowed-methods' },
);

function isAt(path: string, template: string): boolean {
  const [segments, wanted] = [path.split('/'), template.split('/')];
  const open = wanted.at(-1) === '*';
  return (
    (open ? segments.length >= wanted.length : segments.length === wanted.length) &&
    wanted.every(
      (part, index) =>
        part === '*' || part === segments[index] || (part.startsWith(':') && segments[index] !== ''),
    )
  );
}
