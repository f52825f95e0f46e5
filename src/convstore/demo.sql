-- loaded --
-- Whether the demo's people are there, with their passwords.
SELECT EXISTS(SELECT FROM setting WHERE name = 'demoLoaded');

-- strangers --
-- Whether there are people who are not the demo's.
--   $1 the demo's user ids[]
SELECT EXISTS(SELECT FROM account WHERE id <> ALL($1::text[]));

-- set_passwords --
--   $1 user ids[]  $2 password hash
UPDATE account
   SET password_hash = $2
 WHERE id = ANY($1::text[])
   AND password_hash IS NULL;

-- note --
INSERT INTO setting (name, value)
VALUES ('demoLoaded', 'true')
    ON CONFLICT (name) DO NOTHING;
