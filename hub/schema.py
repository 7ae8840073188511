"""The tables of the database, as numbered migrations. A migration that has been released is never changed.

Times are whole milliseconds since 1970 UTC.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE device (
        id TEXT PRIMARY KEY, radio TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, area TEXT NOT NULL,
        manufacturer TEXT NOT NULL, model TEXT NOT NULL, address TEXT NOT NULL, capabilities TEXT NOT NULL,
        protected INTEGER NOT NULL, first_seen INTEGER, last_seen INTEGER,
        position TEXT, commanded TEXT, changed_at INTEGER, cause TEXT
    ) STRICT;
    CREATE TABLE ledger (
        device TEXT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (device, channel)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE command (
        number INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, action TEXT NOT NULL,
        requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL,
        position TEXT, finished_at INTEGER
    ) STRICT;
    CREATE INDEX command_device ON command (device, number);
    CREATE TABLE token (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL, last_used_at INTEGER
    ) STRICT;
    CREATE TABLE session (
        hash TEXT PRIMARY KEY, token TEXT NOT NULL REFERENCES token (id) ON DELETE CASCADE,
        created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, channel TEXT NOT NULL, quantity TEXT NOT NULL,
        UNIQUE (device, channel, quantity)
    ) STRICT;
    CREATE TABLE raw (
        series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rollup (
        level INTEGER NOT NULL, series INTEGER NOT NULL, time INTEGER NOT NULL,
        count INTEGER NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL,
        first REAL NOT NULL, last REAL NOT NULL, last_time INTEGER NOT NULL,
        PRIMARY KEY (level, series, time)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE command ADD COLUMN argument TEXT NOT NULL DEFAULT '';
    CREATE TABLE registry (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE zigbee_device (
        id TEXT PRIMARY KEY, radio TEXT NOT NULL, short INTEGER, state TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE zigbee_attribute (
        device TEXT NOT NULL, endpoint INTEGER NOT NULL, cluster INTEGER NOT NULL, side TEXT NOT NULL,
        attribute INTEGER NOT NULL, manufacturer INTEGER NOT NULL, type INTEGER, value BLOB, status INTEGER NOT NULL,
        time INTEGER, source TEXT NOT NULL,
        PRIMARY KEY (device, endpoint, cluster, side, attribute, manufacturer)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE zigbee_local (radio TEXT NOT NULL, what TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (radio, what))
        STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE se_item (
        radio TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (radio, kind, id)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE rpc (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name))
        STRICT, WITHOUT ROWID;
    """,
)
