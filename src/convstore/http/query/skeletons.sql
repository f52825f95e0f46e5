-- The statements that queries are compiled to. What stands in braces is put together from the tables of properties,
-- from the vocabulary of operators and from these; what clients wrote comes in as bound parameters only.

-- list --
-- A page with its total and its place in the log: always a row, of an empty page one whose place is null. In no order
-- that is promised: whoever asks sorts by place, which the rows mostly lie in already; a sort here copies them all.
{hits}
-- The place in the log, and by what the list is the same as before, come with the first row only.
SELECT {shown} p.place, t.total,
       CASE WHEN p.place IS NULL OR p.place = {first} THEN t.positions END AS positions,
       CASE WHEN p.place IS NULL OR p.place = {first} THEN t.revision END AS revision
  FROM (SELECT ({total}) AS total, reached.positions, reached.revision FROM ({reached}) AS reached) AS t
  LEFT JOIN ({page}) AS p ON true

-- reached --
-- The place in the log of a list of which nobody knows whether it is the same as before.
SELECT ({positions}) AS positions, NULL::text AS revision

-- rows --
-- What passes.
  FROM ({source}) AS {row} {joins}
 WHERE {passes}

-- count --
SELECT count(*) {rows}

-- first_page --
-- Read off an index row by row until it is full, where there is an index in this order.
SELECT {columns} row_number() OVER (ORDER BY {keys}) AS place
  {rows}
 ORDER BY {keys}
 {limit}

-- ids --
-- Ids only, which an index alone can give.
SELECT {row}.id, row_number() OVER (ORDER BY {keys}) AS place
  {rows}
 ORDER BY {keys}
 {limit}

-- later_page --
-- The rows of these ids.
SELECT {columns} page.place
  FROM ({ids}) AS page
  JOIN ({source}) AS {row} ON {row}.id = page.id {joins}

-- ids_given --
-- Ids that somebody knows already.
SELECT given.id, given.place FROM unnest({ids}) WITH ORDINALITY AS given (id, place)

-- hits --
-- What passes, found once, to be counted and cut.
WITH hit AS MATERIALIZED (SELECT {row}.id, {keyed} {rows})

-- ids_of_hits --
SELECT id, row_number() OVER (ORDER BY {keys}) AS place
  FROM hit
 ORDER BY {keys}
 {limit}

-- count_hits --
SELECT count(*) FROM hit

-- limit --
LIMIT {size} OFFSET {offset}

-- object --
SELECT {columns} ({positions}) AS positions
  FROM ({source}) AS {row} {joins}
 WHERE {row}.id = {id}

-- children --
-- The elements of one collection, for all their owners.
--   $1 owners' ids[]
SELECT {columns}
  FROM ({source}) AS {row} {joins}
 WHERE {row}.{key} = ANY ($1::text[])
 ORDER BY {row}.{key}, {row}.{order}

-- children_page --
-- So many of them for each owner, after so many others, from the first one on or from the last one back.
--   $1 owners' ids[]
SELECT {columns}
  FROM unnest($1::text[]) AS owner (id)
 CROSS JOIN LATERAL (SELECT *
                       FROM ({source}) AS every
                      WHERE every.{key} = owner.id
                      ORDER BY every.{order} {direction}
                      LIMIT {size} OFFSET {offset}) AS {row} {joins}
 ORDER BY {row}.{key}, {row}.{order}

-- children_count --
(SELECT count(*) FROM ({source}) AS {row} WHERE {row}.{key} = {owner}.id)

-- elements --
-- The elements of a collection, beside the row that they belong to.
({source}) AS {row}

-- inlined_elements --
json_array_elements({owner}.{column}) AS {row}(value)

-- any_element --
EXISTS (SELECT FROM {elements} {joins} WHERE {belongs} AND ({passes}))

-- no_element --
NOT EXISTS (SELECT FROM {elements} WHERE {belongs})

-- count_elements --
(SELECT count(*) FROM {elements} WHERE {belongs})

-- plan_for_these_words --
-- Readers' statements are planned once, by indexes alone (database.open_readers). Rare and common words want different
-- plans, and the index of words has none but a bitmap; pages that a search touches are in memory more often than not.
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL enable_bitmapscan = on;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_sort = on;
SET LOCAL random_page_cost = 1.1;

-- beyond --
-- What comes after a value in the order of one key; null is the largest value, first when descending and last when not.
{x} > {p}

-- beyond_or_null --
({x} > {p} OR {x} IS NULL)

-- beyond_descending --
{x} < {p}

-- beyond_null_descending --
{x} IS NOT NULL

-- same --
{x} = {p}

-- same_null --
{x} IS NULL

-- not_before --
{x} >= {p}

-- not_before_descending --
{x} <= {p}
