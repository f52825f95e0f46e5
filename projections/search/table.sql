-- A row is one text that a conversation can be found by: its subject, or one message with who sent it. Texts are rows of
-- their own because a search asks for all its words in one of them, and because each has its own readers. Written once,
-- and never changed: so there is no position to guard it.
CREATE TABLE search_v1 (
    conversation_id text     NOT NULL,
    -- Of the event that brought the text: in the order of the thread, the subject first.
    version         int      NOT NULL,
    -- Exists for readers who see internal messages only.
    internal        boolean  NOT NULL,
    -- NULL for a subject, and for messages from a system.
    sender          text     NULL,
    -- The text's words, folded, without their places: src/convstore/words.py.
    words           tsvector NOT NULL,
    -- Also the way from one of few conversations to its texts, where many conversations have the word.
    CONSTRAINT search_v1_one_text_a_version PRIMARY KEY (conversation_id, version)
);
-- Texts that have words with these beginnings. New words wait in the index's list until there are 512 kB of them: one
-- by one they cost several times as much, and every search reads the list through.
CREATE INDEX search_v1_by_words ON search_v1 USING gin (words) WITH (gin_pending_list_limit = 512);
-- Messages of people whose names have words with these beginnings.
CREATE INDEX search_v1_by_sender ON search_v1 (sender, conversation_id) WHERE sender IS NOT NULL;
