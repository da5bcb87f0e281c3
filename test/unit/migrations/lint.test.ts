import { describe, expect, it } from 'vitest';
import { lintMigrations, preparedFaults } from '../../../scripts/migrations/lint.ts';

const HEADER = '-- Owner: platform\n-- Compatibility: additive\n';
const RELEASED = {
  name: '20270101000000_first',
  up: `${HEADER}
create schema ops;
create table ops.old (id bigint primary key, name text);
create index old_name on ops.old (name);
create function ops.used() returns integer language sql return 1;`,
  down: 'drop schema ops cascade;',
};

const migration = (up: string, options: { name?: string; header?: string; down?: string } = {}) => ({
  name: options.name ?? '20270201000000_next',
  up: `${options.header ?? HEADER}\n${up}`,
  down: options.down ?? 'select;',
});
const faultsOf = (up: string, options: Parameters<typeof migration>[1] = {}) =>
  lintMigrations([RELEASED, migration(up, options)], [RELEASED]);
const rulesOf = (up: string, options: Parameters<typeof migration>[1] = {}): string[] =>
  faultsOf(up, options).map(({ rule }) => rule);

const LIMIT = "set local lock_timeout = '5s';";
const UNWRAPPED = { header: `${HEADER}-- Transaction: none\n` };

describe('[DATA-4] on a table of the last release', () => {
  it.for([
    ['lock-timeout', 'alter table ops.old add n integer;'],
    ['lock-timeout', 'create table ops.new (old_id bigint references ops.old);'],
    ['lock-timeout', 'create trigger t before insert on ops.old execute function ops.used();'],
    ['lock-timeout', 'drop trigger t on ops.old;'],
    ['lock-timeout', 'create policy p on ops.old using (true);'],
    ['lock-timeout', 'lock table ops.old;'],
    ['lock-timeout', 'truncate ops.old;'],
    ['lock-timeout', 'create table ops.part partition of ops.old default;'],
    ['lock-timeout', `alter table ops.old add n integer; ${LIMIT}`],
    ['lock-timeout', 'create or replace view ops.v as select 1;'],
    ['concurrent-index', `${LIMIT} create index on ops.old (name);`],
    ['concurrent-index', `${LIMIT} drop index ops.old_name;`],
    ['concurrent-index', `${LIMIT} alter table ops.old add unique (name);`],
    ['concurrent-index', `${LIMIT} alter table ops.old add n integer unique;`],
    ['rewrite', `${LIMIT} alter table ops.old alter name type integer using 1;`],
    ['rewrite', `${LIMIT} alter table ops.old add at uuid default gen_random_uuid();`],
    ['rewrite', `${LIMIT} alter table ops.old add n bigserial;`],
    ['rewrite', `${LIMIT} alter table ops.old add n bigint generated always as identity;`],
    ['rewrite', `${LIMIT} alter table ops.old add n text generated always as (name || '') stored;`],
    ['rewrite', `${LIMIT} alter table ops.old set unlogged;`],
    ['rewrite', `${LIMIT} cluster ops.old using old_name;`],
    ['validation', `${LIMIT} alter table ops.old alter name set not null;`],
    ['validation', `${LIMIT} alter table ops.old add check (id > 0);`],
    ['validation', `${LIMIT} alter table ops.old add foreign key (id) references ops.old;`],
    ['validation', `${LIMIT} alter table ops.old add n integer not null;`],
    ['validation', `${LIMIT} alter table ops.old add n integer check (n > 0);`],
    ['breaks-previous', `${LIMIT} drop table ops.old;`],
    ['breaks-previous', `${LIMIT} alter table ops.old drop name;`],
    ['breaks-previous', `${LIMIT} alter table ops.old rename name to title;`],
    ['breaks-previous', `${LIMIT} alter table ops.old rename to older;`],
    ['breaks-previous', `${LIMIT} alter table ops.old set schema public;`],
    ['breaks-previous', 'drop function ops.used();'],
    ['breaks-previous', 'drop schema ops cascade;'],
    ['definer', 'create function ops.f() returns integer language sql security definer return 1;', 2],
    [
      'definer',
      'create function ops.f() returns integer language sql security definer set search_path = pg_catalog return 1;',
    ],
    ['definer', 'alter function ops.used() security definer;'],
    [
      'definer',
      'create function ops.f() returns integer language sql security definer set search_path from current return 1; revoke all on function ops.f from public;',
    ],
    ['public-grant', 'grant execute on function ops.used() to public;'],
    ['transaction', 'create index concurrently i on ops.old (name);'],
    ['transaction', 'vacuum ops.old;'],
    ['transaction', 'commit;'],
    ['dynamic', "do $$ begin execute format('drop table ops.%I', 'old'); end $$;"],
    ['syntax', 'create tabel ops.new ();'],
  ] as const)('%s refuses %s', ([rule, up, count = 1]) => {
    expect(rulesOf(up)).toEqual(Array.from({ length: count }, () => rule));
  });

  it('a statement within a DO block is looked at as well, and has a place', () => {
    const up = 'do $$ begin\n  if true then\n    alter table ops.old add n integer;\n  end if;\nend $$;';
    expect(faultsOf(up)).toEqual([
      {
        place: '20270201000000_next.up.sql:6',
        rule: 'lock-timeout',
        message: expect.stringMatching(/locks ops\.old.*set local lock_timeout/),
      },
    ]);
  });

  it.for([
    `${LIMIT} alter table ops.old add n integer not null default 1, add at timestamptz default now();`,
    `${LIMIT} alter table ops.old add constraint positive check (id > 0) not valid;`,
    `${LIMIT} alter table ops.old add n text generated always as (name || '') virtual;`,
    `${LIMIT} alter table ops.old add constraint old_unique unique using index old_name;`,
    `${LIMIT} create trigger t before insert on ops.old execute function ops.used();`,
    'create or replace function ops.used() returns integer language sql return 2;',
    'comment on table ops.old is $$ … $$;',
    'create view ops.v as select id from ops.old;',
    `create function ops.f() returns integer language sql security definer set search_path = pg_catalog, pg_temp return 1;
     revoke execute on function ops.f() from public;`,
    "do $$ begin execute format('grant select on ops.old to %I', current_setting('dragonfly.api_role')); end $$;",
  ])('nothing is said against %s', (up) => {
    expect(faultsOf(up)).toEqual([]);
  });
});

describe('[DATA-4] nobody gets past the linter with', () => {
  const ADD = 'alter table ops.old add n integer;';
  it.for([
    ['no limit', 'lock-timeout', `set local lock_timeout = 0; ${ADD}`],
    ['a limit that is rounded to none', 'lock-timeout', `set local lock_timeout = '0.4ms'; ${ADD}`],
    ['a limit of minutes', 'lock-timeout', `set local lock_timeout = '1min'; ${ADD}`],
    ['a limit that is too long', 'lock-timeout', `set local lock_timeout = 5001; ${ADD}`],
    ['the default', 'lock-timeout', `set local lock_timeout to default; ${ADD}`],
    ['a limit that is taken back', 'lock-timeout', `${LIMIT} reset lock_timeout; ${ADD}`],
    ['all settings taken back', 'lock-timeout', `${LIMIT} reset all; ${ADD}`],
    ['a name in capitals', 'lock-timeout', `${LIMIT} set "Lock_Timeout" = 0; ${ADD}`],
    ['set_config', 'lock-timeout', `${LIMIT} select set_config('lock_timeout', '0', true); ${ADD}`],
    [
      'set_config of a name that is made up',
      'lock-timeout',
      `${LIMIT} select set_config('lock' || '_timeout', '0', true); ${ADD}`,
    ],
    [
      'perform in a block',
      'lock-timeout',
      `${LIMIT} do $$ begin perform set_config('lock_timeout', '0', true); end $$; ${ADD}`,
    ],
    [
      'a loop in a block',
      'lock-timeout',
      `${LIMIT} do $$ declare r record; begin for r in select set_config('lock_timeout', '0', true) loop end loop; end $$; ${ADD}`,
    ],
    [
      'a limit that its block may not come to',
      'lock-timeout',
      `do $$ begin if false then ${LIMIT} end if; end $$; ${ADD}`,
    ],
    ['only', 'lock-timeout', 'alter table only ops.old add n integer;'],
    ['if exists', 'lock-timeout', 'alter table if exists ops.old add n integer;'],
    ['quotes', 'lock-timeout', 'alter table "ops"."old" add n integer;'],
    ['capitals', 'lock-timeout', 'ALTER TABLE OPS.OLD ADD n integer;'],
    [
      'comments',
      'lock-timeout',
      'alter /* lint-allow: lock-timeout no */ table ops . -- old\n old add n integer;',
    ],
    [
      'a partition of a new table',
      'lock-timeout',
      'create table ops.new (id bigint, name text) partition by list (id); alter table ops.new attach partition ops.old default;',
      'validation',
    ],
    ['a view that is filled anew', 'lock-timeout', 'refresh materialized view ops.m;'],
    [
      'many actions',
      'rewrite',
      `${LIMIT} alter table ops.old add n integer, alter name type integer using 1;`,
    ],
    [
      'a function called now',
      'rewrite',
      `${LIMIT} alter table ops.old add at timestamptz default ops.now();`,
    ],
    ['all of a tablespace', 'rewrite', 'alter table all in tablespace a set tablespace b;'],
    [
      'an index if there is none',
      'concurrent-index',
      `${LIMIT} create unique index if not exists i on only ops.old (name);`,
    ],
    ['a domain', 'validation', 'alter domain ops.d set not null;'],
    [
      'if not exists, which makes nothing new',
      'rewrite',
      `${LIMIT} create table if not exists ops.old (); alter table ops.old alter name type integer using 1;`,
    ],
    [
      'or replace, which makes nothing new',
      'breaks-previous',
      'create or replace function ops.used() returns integer language sql return 2; drop function ops.used();',
    ],
    ['all that somebody owns', 'breaks-previous', 'drop owned by somebody;'],
    ['an extension', 'breaks-previous', 'drop extension pgcrypto cascade;'],
    [
      'another search_path',
      'search-path',
      'create table public.old (); set search_path = ops; alter table old add n integer;',
    ],
    ['another search_path by set_config', 'search-path', `select set_config('search_path', 'ops', true);`],
    [
      'a text in a variable',
      'dynamic',
      `do $$ declare v text := 'alter table ops.old add n integer'; begin execute v; end $$;`,
    ],
    ['a text in pieces', 'dynamic', `do $$ begin execute 'al' || 'ter table ops.old add n integer'; end $$;`],
    [
      'a format of any text',
      'dynamic',
      `do $$ begin execute format('%s table ops.old add n integer', 'al' || 'ter'); end $$;`,
    ],
    ['a setting in a text', 'dynamic', `${LIMIT} do $$ begin execute 'set lock_timeout = 0'; end $$;`],
  ] as const)('%s: %s', ([, rule, up, ...others]) => {
    expect(rulesOf(up)).toEqual([rule, ...others]);
  });

  it('`set local` where there is no transaction', () => {
    const up = `${LIMIT}\n\nalter table ops.old validate constraint positive;`;
    expect(rulesOf(up, UNWRAPPED)).toEqual(['lock-timeout']);
  });

  it.for(["'5s'", "'500ms'", '5000', "'0.5 s'", '2500.5'])('a limit of %s is one', (limit) => {
    expect(rulesOf(`set local lock_timeout = ${limit}; ${ADD}`)).toEqual([]);
    expect(rulesOf(`${LIMIT} do $$ begin set local lock_timeout = ${limit}; end $$; ${ADD}`)).toEqual([]);
  });
});

describe('[DATA-1] what was made since the last release', () => {
  it.for([
    'create table ops.new (id bigint); create index on ops.new (id); alter table ops.new alter id set not null; drop table ops.new;',
    'create table ops.new (id bigint); alter table ops.new add n bigserial, add check (n > 0); alter table ops.new rename to newer;',
    'create function ops.f() returns integer language sql return 1; drop function ops.f();',
  ])('holds no rows and has no users: nothing is said against %s', (up) => {
    expect(faultsOf(up)).toEqual([]);
  });

  it('counts from the beginning before the first release', () => {
    const later = migration('create index on ops.old (id); alter table ops.old alter name set not null;');
    expect(lintMigrations([RELEASED, later])).toEqual([]);
  });

  it('functions are not everybody’s when default privileges were revoked, in whatever migration', () => {
    const revoking = {
      ...RELEASED,
      up: `${RELEASED.up}\nalter default privileges revoke execute on functions from public;`,
    };
    const up =
      'create function ops.f() returns integer language sql security definer set search_path = pg_catalog return 1;';
    expect(lintMigrations([revoking, migration(up)], [revoking])).toEqual([]);
  });
});

describe('[DATA-1] a migration without a transaction', () => {
  it.for([
    'create index concurrently if not exists i on ops.old (name);\n\ndrop index concurrently if exists ops.old_name;',
    "alter type ops.kind add value if not exists 'x';",
    'vacuum analyze ops.old;',
  ])('may be %s', (up) => {
    expect(faultsOf(up, UNWRAPPED)).toEqual([]);
  });

  it('may validate what was added before, with a limit to its wait', () => {
    const up = "set lock_timeout = '5s';\n\nalter table ops.old validate constraint positive;";
    expect(faultsOf(up, UNWRAPPED)).toEqual([]);
  });

  it.for([
    'create index concurrently i on ops.old (name);',
    'create index concurrently if not exists on ops.old (name);',
    'drop index concurrently ops.old_name;',
    'insert into ops.old values (1);',
    'vacuum ops.old; vacuum ops.old;',
  ])('may not be %s: it could run twice', (up) => {
    expect(rulesOf(up, UNWRAPPED).every((rule) => rule === 'repeatable' || rule === 'syntax')).toBe(true);
    expect(rulesOf(up, UNWRAPPED)).not.toEqual([]);
  });

  it('is so in the other direction, too', () => {
    const down = '-- Transaction: none\n\ndrop index concurrently i;';
    expect(faultsOf('select;', { down })).toEqual([
      { place: '20270201000000_next.down.sql:3', rule: 'repeatable', message: expect.any(String) },
    ]);
  });
});

describe('[DATA-1] [DATA-2] a file', () => {
  it.for([
    [{ header: '-- Compatibility: additive\n' }, 'header'],
    [{ header: '-- Owner: platform\n-- Compatibility:\n' }, 'header'],
    [{ header: '\n-- Owner: platform\n-- Compatibility: x\n' }, 'header', 2],
    [{ name: '20270230000000_never' }, 'name'],
    [{ name: '20270201000000_revert_name' }, 'name'],
    [{ name: '20270201000000_rollback' }, 'name'],
    [{ name: '20261231000000_late' }, 'order'],
    [{ name: '20270101000000_twin' }, 'order'],
    [{ down: 'drop tabel x' }, 'syntax'],
  ] as const)('%o is refused by %s', ([options, rule, count = 1]) => {
    expect(rulesOf('select;', options)).toEqual(Array.from({ length: count }, () => rule));
  });

  it('that takes something back is named after what it is about', () => {
    expect(rulesOf('select;', { name: '20270201000000_name_rollback_417' })).toEqual([]);
  });

  it.for([
    ['changed after its release', [{ ...RELEASED, down: 'select;' }]],
    ['missing, and was released', []],
  ] as const)('of the last release must not be %s', ([message, migrations]) => {
    expect(lintMigrations(migrations, [RELEASED])).toEqual([
      { place: RELEASED.name, rule: 'applied', message: expect.stringContaining(message) },
    ]);
  });
});

const allowed = (comment: string): string => `${LIMIT}\n${comment}\nalter table ops.old drop name;`;

describe('an exception', () => {
  it('allows its rule for the statement below it', () => {
    expect(rulesOf(allowed('-- lint-allow: breaks-previous nothing has read it since 1.4'))).toEqual([]);
    const next = '\nalter table ops.old drop id;';
    expect(rulesOf(allowed('-- lint-allow: breaks-previous not read since 1.4') + next)).toEqual([
      'breaks-previous',
    ]);
  });

  it.for([
    ['-- lint-allow: breaks-previous', /say why/, 1],
    ['-- lint-allow: rename why', /no rule/, 2],
    ['-- lint-allow: rewrite why', /nothing to refuse/, 2],
  ] as const)('%s is refused', ([comment, message, count]) => {
    const faults = faultsOf(allowed(comment));
    expect(faults).toHaveLength(count);
    expect(faults.find(({ rule }) => rule === 'lint-allow')?.message).toMatch(message);
  });
});

describe('[DATA-2] a rollback that is prepared', () => {
  const breaking = { ...migration('select 1;'), up: '-- Owner: a\n-- Compatibility: breaks it\n' };
  const faults = (name: string, takesBack: string): string[] =>
    preparedFaults([{ name, takesBack }], [RELEASED, breaking]).map(({ message }) => message);

  it('takes back a migration that breaks the release before, and is applied after all', () => {
    expect(faults('20270301000000_next_rollback_12', breaking.name)).toEqual([]);
  });

  it.for([
    ['20270301000000_next_rollback_12', RELEASED.name, 'no migration that breaks'],
    ['20270301000000_next_rollback_12', '20270401000000_none', 'no migration that breaks'],
    ['20270301000000_next_rollback', breaking.name, 'ends in _rollback_<issue>'],
    ['20270102000000_next_rollback_12', breaking.name, 'give it a later time'],
  ] as const)('is refused: %s of %s', ([name, takesBack, why]) => {
    expect(faults(name, takesBack)).toEqual([expect.stringContaining(why)]);
  });
});
