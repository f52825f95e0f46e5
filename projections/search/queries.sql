-- What readers ask of the words. The one in _all is for readers who see internal messages.
--
-- Conditions: {0} is a row whose id is a conversation's, {1} the question as a tsquery, which words.tsquery gives for
-- words.query_prefixes. A conversation passes when one of its texts has all that is asked for, or when the name of one of
-- its senders does, as it is at the time of reading. The planner chooses between the two ways there are: from the words
-- to the conversations, or from each of few conversations to its texts.

-- found --
EXISTS (SELECT
          FROM search_v1 AS s
         WHERE s.conversation_id = {0}.id
           AND NOT s.internal
           AND (s.words @@ {1}
                OR s.sender = ANY (ARRAY(SELECT a.id
                                           FROM account AS a
                                          WHERE a.name_words @@ {1}))))

-- found_all --
EXISTS (SELECT
          FROM search_v1 AS s
         WHERE s.conversation_id = {0}.id
           AND (s.words @@ {1}
                OR s.sender = ANY (ARRAY(SELECT a.id
                                           FROM account AS a
                                          WHERE a.name_words @@ {1}))))
