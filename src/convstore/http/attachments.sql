-- What the reads of files ask.

-- files --
-- Every file that is wholly there; who takes one must have looked at the reader's rights.
SELECT id,
       owner,
       name,
       content_type,
       stored,
       length,
       encode(md5, 'hex') AS md5,
       conversation_id,
       message_id,
       taken
  FROM file_resource
 WHERE stored IS NOT NULL
   AND NOT doomed
