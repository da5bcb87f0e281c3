-- Loses: organisations and their API keys

drop function ops.schema_version();
drop view ops.organizations;
drop view ops.api_keys;
drop function ops.touch_api_keys(uuid[], uuid[]);
drop function ops.authenticate_api_key(bytea);
drop function ops.revoke_api_key(uuid);
drop function ops.rotate_api_key(uuid, bytea, interval, interval);
drop function ops.issue_api_key(uuid, text, bytea, interval, text, text[]);
drop function ops.create_api_key(text, bytea, interval, text, text[]);
drop function ops.revoke_api_keys(uuid, text);
drop function ops.lock_api_keys();
drop function ops.refuse_old_snapshot();
drop function ops.live_api_keys(text);
drop function ops.create_organization(text);
drop function ops.find_organization(text);
drop function ops.act_for(uuid);
drop table public.api_key;
drop table public.organization;
drop function ops.current_trace();
drop function ops.current_actor();
drop function ops.current_organization();
drop function ops.uuid_v7();
drop schema ops;
alter default privileges grant execute on functions to public;
