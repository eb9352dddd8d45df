/* limits: every maximum of the program that is not a setting, in one place.
 *
 * Meeting one gives a clear error (SQLSTATE 53xxx or 54000), never a wrong answer.
 */
#pragma once

enum {
	SHARDS_MAX = 64,                        /* legs of one statement; a bit each in a shard set */
	NODES_MAX = 256,
	FEEDS_MAX = 1024,                       /* walsenders and slots of one node; of one with more nothing is known of them */
	WORKERS_MAX = 64,
	WEIGHT_MAX = 100,                       /* of a node, among those that reads go to */
	NAME_SIZE_MAX = 64,                     /* NAMEDATALEN of PostgreSQL, with the zero */

	STARTUP_SIZE_MAX = 10000,               /* MAX_STARTUP_PACKET_LENGTH of PostgreSQL */
	AUTH_MESSAGE_SIZE_MAX = 65535,          /* PG_MAX_AUTH_TOKEN_LENGTH */
	LOGIN_TIME_MS_MAX = 60 * 1000,          /* authentication_timeout of PostgreSQL */
	LOGIN_SIZE_MAX = 256 << 10,             /* all that a client may say before it has logged in */
	TLS_HANDSHAKE_SIZE_MAX = LOGIN_SIZE_MAX,        /* bytes, of the peer's */
	CANCEL_ROOM = 16,                       /* connections beyond max_connections_per_address, as they may be cancel requests */
	CANCEL_MS_MAX = 5000,                   /* for a node to heed a cancel request before the session is ended instead */
	STATEMENT_SIZE_MAX = 64 << 20,          /* the text of one Query or Parse, held whole to be understood */
	MESSAGE_SIZE_MAX = 0x3ffffffe,          /* PQ_LARGE_MESSAGE_LIMIT of PostgreSQL */
	PARAMETER_COUNT_MAX = 65535,
	CTES_MAX = 1000,                        /* WITH queries of one statement */
	NESTING_MAX = 1000,                     /* levels of one statement's parse tree; what 8 MB of stack hold, four times */

	CHUNK_SIZE = 16 << 10,                  /* one lent reading buffer */
	CHUNK_COUNT_MAX = 1024,                 /* lent reading buffers of one worker */
	STREAM_FINISH_MS_MAX = 30 * 1000,       /* for a peer to take what was written before its connection is closed */
	OUT_QUEUE_SIZE_MAX = 256 << 10,         /* bytes waiting for one peer before its source is paused */

	USERS_FETCHED_MAX = 10000,              /* users of whom it is kept what a node said; as many of whom it is kept that no node knows them */
	POOL_QUEUE_MAX = 4096,                  /* sessions waiting for one pool on one worker */
	SETTINGS_MAX = 256,                     /* settings that one session changed */
	STATEMENTS_MAX = 4096,                  /* prepared statements of one session */
	BACKEND_STATEMENTS_MAX = 500,           /* copies kept prepared on one backend */
	REDEFINED_SIZE_MAX = 64 << 10,          /* names of what one transaction gave code to; above, it counts as everything */
	LISTEN_CHANNELS_MAX = 1024,             /* that one session listens to */
	LISTEN_UNREAD_SIZE_MAX = 8 << 20,       /* bytes of notifications that wait for one client */
	SAVEPOINTS_MAX = 1024,                  /* open savepoints of one transaction */
	PLAN_CACHE_COUNT_MAX = 4096,            /* plans of one worker */
	PLAN_TEXT_SIZE_MAX = 64 << 10,          /* a longer statement is planned each time, not cached */
	MERGE_MEMORY_MAX = 16 << 20,            /* rows held by one merging statement */
	FANOUT_TABLES_MAX = 100,                /* tables of one statement over several shards */
	TARGET_LIST_MAX = 1664,                 /* MaxTupleAttributeNumber of PostgreSQL: columns of one answer, hidden ones included */
	COLLATIONS_MAX = 1024,                  /* locales that the router compares by */
	ADMIN_ROWS_MAX = 100000,                /* rows of one answer of the nanu schema */
	ADMIN_STATEMENT_SIZE_MAX = 64 << 10,    /* the text of a statement on the nanu schema */
	ADMIN_ANSWER_SIZE_MAX = 64 << 20,       /* bytes of one answer of the nanu schema */
	ADMIN_TIME_MS_MAX = 1000,               /* for which one statement on the nanu schema may run */
	HTTP_CONNECTIONS_MAX = 100,             /* of those who ask over HTTP; a newcomer takes the place of the quietest */
	HTTP_CONNECTIONS_ROOM = 16,             /* more, which are being closed */
	HTTP_REQUEST_SIZE_MAX = 16 << 10,       /* a request's head, and the buffers of its connection */
	HTTP_TURN_MS_MAX = 30 * 1000,           /* from one end of an answer to the next, or the connection is closed */
	HTTP_WORKER_MS_MAX = 1000,              /* for a worker to answer */
	AGENT_BODY_SIZE_MAX = 256 << 10,        /* bytes of what an agent is asked, or answers */
	AGENT_CONNECTIONS_MAX = 512,            /* of those who ask an agent */
	AGENT_ADDRESS_CONNECTIONS_MAX = 64,     /* of one address among them: a stranger takes no other's place */
	METRICS_MS_MIN = 100,                   /* between two looks at all pools and sessions for /metrics */
	METRICS_POOLS_MAX = 2000,               /* pools told one by one; above, users are summed. Counters of statements by kind; above, databases are */
	METRICS_SIZE_MAX = 16 << 20,            /* bytes of /metrics */
	MAILBOX_COUNT_MAX = 65536,

	STORE_LIST_MAX = 4096,                  /* keys of one list of the store */
	STORE_ANSWER_SIZE_MAX = 64 << 20,       /* bytes of one answer of etcd */
	ETCD_MEMBERS_MAX = 16,                  /* addresses in etcd_hosts */
	CHANGE_TRIES_MAX = 10,                  /* a change that other routers' changes come before is tried again */
};
