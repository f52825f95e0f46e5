-- How the texts of a run of events come into the table. Both statements may run twice without effect.

-- add_texts --
--   $1 conversation_id[]  $2 version[]  $3 internal[]  $4 sender[]  $5 words, those of a text joined by blanks[]
INSERT INTO search_v1 (conversation_id, version, internal, sender, words)
SELECT n.conversation_id, n.version, n.internal, n.sender, array_to_tsvector(string_to_array(n.words, ' '))
  FROM unnest($1::text[], $2::int[], $3::bool[], $4::text[], $5::text[])
       AS n (conversation_id, version, internal, sender, words)
ON CONFLICT (conversation_id, version) DO NOTHING;

-- delete_texts --
-- All texts of conversations that are gone for everybody.
--   $1 conversation_id[]
DELETE FROM search_v1
 WHERE conversation_id = ANY ($1::text[]);
