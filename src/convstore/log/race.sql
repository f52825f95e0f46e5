-- A table of events as one would write it without knowing better: ordered by a sequence. For the comparison in race.py.

-- create --
CREATE TABLE naive_event (
    position bigserial PRIMARY KEY,
    stream   text NOT NULL,
    version  int  NOT NULL,
    data     json NOT NULL
);

-- append --
--   $1 stream  $2 version  $3 data
INSERT INTO naive_event (stream, version, data)
VALUES ($1, $2, $3::json);

-- page --
--   $1 after position  $2 at most
SELECT position, stream, version
  FROM naive_event
 WHERE position > $1
 ORDER BY position
 LIMIT $2;

-- count --
SELECT count(*) FROM naive_event;
