// Generated from openapi.json by `npm run api`; edits are lost.

export interface paths {
    "/api/v1/artifacts/{sha256}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Download an artifact, or one Range of it */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The entity tag that the range is of: the digest in quotes. */
                    "If-Range"?: string | null;
                    /** @description `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`; several ranges get the whole. */
                    Range?: string | null;
                };
                path: {
                    sha256: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description byte stream */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": unknown;
                    };
                };
                /** @description byte stream */
                206: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": unknown;
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                416: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Store an artifact, or with Content-Range the next piece of it; the whole must hash to its name */
        put: {
            parameters: {
                query?: never;
                header?: {
                    /** @description `bytes FIRST-LAST/TOTAL`: which piece of the artifact the body is. */
                    "Content-Range"?: string | null;
                };
                path: {
                    sha256: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/octet-stream": unknown;
                };
            };
            responses: {
                /** @description `PUT /api/v1/artifacts/{sha256}` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ArtifactView"];
                    };
                };
                /** @description The piece is here, and more is to come */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UploadView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        /** Whether an artifact exists, and its size */
        head: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    sha256: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description no content */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        patch?: never;
        trace?: never;
    };
    "/api/v1/artifacts/{sha256}/upload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where an upload stands that was cut */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    sha256: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/artifacts/{sha256}/upload`: where an upload stands. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UploadView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who did what to which id, from where; newest first */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before. */
                    cursor?: number | null;
                    /** @description Entries a page, at most 1000; 100 if left out. */
                    limit?: number | null;
                    /** @description What this token did. */
                    token?: string | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/audit`: who did what to which id, from where. Newest first. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuditPage"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Differences between arms of completed trials, with intervals over groups and seeds
         * @description Reads only: nothing is stored.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/compare`: arms of completed trials, each with its seeds, against the first of them. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Compare"];
                };
            };
            responses: {
                /** @description The answer: the arms in the order they were asked for. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CompareReport"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Datasets, each in its newest version */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DatasetView"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Register a dataset version; its files are uploaded before */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description Everything there is to know about a dataset version but the pixels. Its hash is the version. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Manifest"];
                };
            };
            responses: {
                /** @description `GET /api/v1/datasets`: one entry a dataset, its newest version. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DatasetView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The newest version of a dataset with its manifest */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/datasets/{name}` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DatasetDetail"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happens, as it happens; resumes after Last-Event-ID */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The `id` of the last event that was seen. */
                    "Last-Event-ID"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Events; each data line is one of these, the id resumes the stream */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["Event"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/heartbeats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renew the leases listed */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/heartbeats`: renews exactly the leases it lists. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Heartbeat"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HeartbeatReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leaderboard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Configurations of a dataset, best first, beside published results */
        get: {
            parameters: {
                query: {
                    /** @description Name of a registered dataset. */
                    dataset: string;
                    /** @description `json` (the default), `csv` or `md`. */
                    format?: "json" | "csv" | "md" | null;
                    /**
                     * @description Rows shown, 200 unless said otherwise. With `test_top1`, the rows are this many best by validation, and
                     *      all that were trained on validation images too and evaluated.
                     */
                    limit?: number | null;
                    /** @description `val_top1` (the default), or `test_top1` where every row shown was evaluated on test. */
                    metric?: "val_top1" | "test_top1" | null;
                    /** @description A version of it; the newest if left out. */
                    version?: string | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/leaderboard?dataset=&metric=` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Leaderboard"];
                        "text/csv; charset=utf-8": unknown;
                        "text/markdown; charset=utf-8": unknown;
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Claim jobs; waits while there are none */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/leases` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Claim"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ClaimReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/checkpoint": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Name the checkpoint to go on from */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CheckpointRef"];
                };
            };
            responses: {
                /** @description The answer to every write of a lease holder. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LeaseReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End an external trial with its outcome */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/leases/{id}/complete`: the last word. Sent again, it gets the same answer. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Complete"];
                };
            };
            responses: {
                /** @description What is wanted of an external trial. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verdict"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/finish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the attempt with its outcome */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/leases/{id}/finish`: sent again, it gets the same answer. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Finish"];
                };
            };
            responses: {
                /** @description The answer to every write of a lease holder. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LeaseReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Store log lines */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/leases/{id}/logs` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LogBatch"];
                };
            };
            responses: {
                /** @description The answer to every write of a lease holder. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LeaseReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Store metric values and progress */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/leases/{id}/metrics`: idempotent by (attempt, metric, step). */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MetricBatch"];
                };
            };
            responses: {
                /** @description The answer to every write of a lease holder. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LeaseReply"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Report an external trial's value after an epoch */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/leases/{id}/report`: the value after so many epochs. Sent again, it changes nothing. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["EpochReport"];
                };
            };
            responses: {
                /** @description What is wanted of an external trial. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verdict"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/leases/{id}/should_stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renew an external trial's lease and hear what is wanted of it */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description What is wanted of an external trial. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verdict"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/race": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Which arms of trials are owed another seed, or which has won
         * @description Reads only: nothing is stored, and nothing is trained.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/race`: which of a few configurations are owed another run, and which of them has won. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Race"];
                };
            };
            responses: {
                /** @description The answer: how the race stands, and what it was decided on, arms in the order they were asked for. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RaceReport"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is calling, and which server answers */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/session` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Exchange a one-time login token for a session cookie */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/session`: exchanges the one-time token of the printed login URL for a cookie. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Login"];
                };
            };
            responses: {
                /** @description `GET /api/v1/session` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** End the browser session that asks */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description no content */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session/links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a link that logs a browser in, once; it is shown only here */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `POST /api/v1/session/links`: the only time the link is shown. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LoginLink"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sota": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Published results, best first */
        get: {
            parameters: {
                query?: {
                    /** @description Results of this dataset only. */
                    dataset?: string | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SotaEntry"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Register a published result, or correct one */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description A published result. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SotaEntry"];
                };
            };
            responses: {
                /** @description A published result. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SotaEntry"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Sweeps, newest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Draw a sweep's trials and queue them */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            /** @description What `cultivar sweep submit` sends. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SweepSpec"];
                };
            };
            responses: {
                /** @description `GET /api/v1/sweeps` */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A sweep and its spec */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps/{id}` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepDetail"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/ask": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The next trial of an external sweep; waits while there is none */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/sweeps/{id}/ask` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Ask"];
                };
            };
            responses: {
                /** @description A trial to train, or none for now. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Asked"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel every unsettled trial of a sweep */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/importance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which of a sweep's parameters matter, by its results so far */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps/{id}/importance`: what of a sweep's space decides its objective, by a forest fitted to its results. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ImportanceReport"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/pareto": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A sweep's configurations by objective and costs at once */
        get: {
            parameters: {
                query?: {
                    /** @description A cost to weigh the objective against, in place of what the sweep says. */
                    against?: components["schemas"]["CostMetric"] | null;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps/{id}/pareto`: a sweep's configurations by several objectives at once. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ParetoReport"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begin no more trials; those that run give way, or drain */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/sweeps/{id}/pause` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PauseSweep"];
                };
            };
            responses: {
                /** @description `GET /api/v1/sweeps` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/queueing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Change a sweep's priority, weight and limits */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description Which trials go first, how many at once, and when. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Queueing"];
                };
            };
            responses: {
                /** @description `GET /api/v1/sweeps` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/recommendation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The configuration to go on with, by all of a sweep's results so far */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /**
                 * @description `GET /api/v1/sweeps/{id}/recommendation`: the configuration to go on with. The best expected value counts, by a Gaussian process
                 *      through the results, not the luckiest single one; with several objectives, what balances them.
                 */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Recommendation"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a paused sweep go on */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Queue a sweep's failed and cancelled trials again */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/sweeps` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/estimate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a sweep would take; queues nothing */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description What `cultivar sweep submit` sends. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SweepSpec"];
                };
            };
            responses: {
                /**
                 * @description `POST /api/v1/sweeps/estimate`: what a sweep would take, by completed trials with the same backbone, adaptation and
                 *      resolution, on the same dataset version where there are any.
                 */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepEstimate"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sweeps/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a sweep would draw; queues nothing */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description What `cultivar sweep submit` sends. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SweepSpec"];
                };
            };
            responses: {
                /** @description `POST /api/v1/sweeps/preview` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SweepPreview"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tokens, without their secrets */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TokenView"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Create a token; its secret is shown only here */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/tokens` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            responses: {
                /** @description The only time the secret is shown. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedToken"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke a token */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description no content */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a token a successor; the old one works for a while longer */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/tokens/{id}/rotate`: a successor of the same name, scope and lifetime. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Rotation2"];
                };
            };
            responses: {
                /** @description The only time the secret is shown. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedToken"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/transfer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Pretrained against random weights: start, slope and asymptote */
        get: {
            parameters: {
                query: {
                    /** @description Name of a registered dataset. */
                    dataset: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/transfer?dataset=`: the three benefits of transfer, from matched arms. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TransferReport"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Trials, oldest first */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before. */
                    cursor?: string | null;
                    /** @description Trials on the dataset of this name. */
                    dataset?: string | null;
                    /** @description Rows a page, at most 1000; 100 if left out. */
                    limit?: number | null;
                    /** @description Trials in this state. */
                    state?: components["schemas"]["TrialState"] | null;
                    /** @description Trials of this sweep. */
                    sweep?: string | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/trials` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialPage"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Queue one trial */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/trials` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewTrial"];
                };
            };
            responses: {
                /** @description One row of `GET /api/v1/trials`. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A trial with its spec, attempts and evaluations */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/trials/{id}` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialDetail"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a trial that is not settled */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description One row of `GET /api/v1/trials`. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/evaluate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask for predictions on a held-out split; opening test is counted */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            /** @description `POST /api/v1/trials/{id}/evaluate`: asks for predictions on a held-out split. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewEvaluation"];
                };
            };
            responses: {
                /** @description One evaluation of a trial's final model. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EvaluationView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Log lines of every attempt, as text: the last 10,000 that are asked for, or the first after a cursor */
        get: {
            parameters: {
                query?: {
                    /** @description Lines after the one with this cursor: the header `log-cursor` of an earlier answer. */
                    after?: string | null;
                    /** @description Lines that hold this text, whatever the case. */
                    q?: string | null;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description plain text */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain; charset=utf-8": unknown;
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Of every metric the last, the lowest and the highest value over the run */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/trials/{id}/metrics` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MetricSummaries"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take a trial out of the queue, or ask a running one to give way */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description One row of `GET /api/v1/trials`. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a paused trial go on */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description One row of `GET /api/v1/trials`. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Queue a failed or cancelled trial again */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description One row of `GET /api/v1/trials`. */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrialView"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trials/{id}/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A metric over the run, thinned for charts */
        get: {
            parameters: {
                query: {
                    /** @description Only what this attempt said, also where a later one did it again; else the run as it counts. */
                    attempt?: number | null;
                    /** @description `train_loss`, `val_top1`, ... */
                    metric: string;
                    /** @description Most points wanted; 500 if left out. */
                    points?: number | null;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `GET /api/v1/trials/{id}/series?metric=` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Series"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/weights": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Registered pretrained weights */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WeightsEntry"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make an artifact the pretrained weights of a backbone */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/weights`: makes an artifact the `pretrained` weights of a backbone. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["WeightsEntry"];
                };
            };
            responses: {
                /** @description `POST /api/v1/weights`: makes an artifact the `pretrained` weights of a backbone. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WeightsEntry"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Worker daemons, the latest heard of first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WorkerView"][];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a quarantined worker have leases again */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description no content */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/enroll": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Exchange an enrolment token, once, for a worker's own token */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/workers/enroll` */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Enrolment"];
                };
            };
            responses: {
                /** @description The only time the secret is shown. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedToken"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/enrolments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create a token that one worker exchanges for its own; shown only here */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /**
                     * @description Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
                     *      ASCII characters.
                     */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            /** @description `POST /api/v1/workers/enrolments`: a token that one worker exchanges, once, for its own. */
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewEnrolment"];
                };
            };
            responses: {
                /** @description The only time the secret is shown. */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedToken"];
                    };
                };
                /** @description The body of every answer that is not a 2xx. */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description The nonlinearity, swapped in wherever the backbone has its own. silu and squish are other names of swish.
         * @enum {string}
         */
        Activation: "native" | "relu" | "leaky_relu" | "swish" | "silu" | "squish" | "mish" | "gelu" | "hard_swish";
        /** @description How much of the network is trained. */
        Adaptation: {
            /** @constant */
            mode: "head_only";
        } | {
            /**
             * @description BatchNorm keeps its statistics, scale and shift.
             * @default false
             */
            freeze_bn: boolean;
            /**
             * Format: double
             * @description The head's learning rate over the backbone's.
             * @default 1
             */
            head_lr_mult: number;
            /**
             * Format: double
             * @description Learning rate of a layer over that of the next towards the head.
             * @default 1
             */
            layer_decay: number;
            /** @constant */
            mode: "full";
        } | {
            /** @default false */
            freeze_bn: boolean;
            /**
             * Format: double
             * @default 1
             */
            head_lr_mult: number;
            /**
             * Format: double
             * @default 1
             */
            layer_decay: number;
            /** @constant */
            mode: "gradual";
            /**
             * @description The backbone's layers are cut into as many like groups as there are numbers here: the first
             *      number is the epoch at whose start the group nearest to the head is unfrozen, the last one
             *      that of the stem's.
             */
            unfreeze_epochs: number[];
        };
        /** @description `PUT /api/v1/artifacts/{sha256}` */
        ArtifactView: {
            /** Format: uint64 */
            n_bytes: number;
            sha256: string;
        };
        /** @description `POST /api/v1/sweeps/{id}/ask` */
        Ask: {
            /**
             * Format: double
             * @description How long the server may hold the request while there is nothing to train, in seconds.
             * @default 0
             */
            wait_s: number;
            /**
             * @description Who asks, for people.
             * @default external
             */
            worker: string;
        };
        /** @description A trial to train, or none for now. */
        Asked: {
            /**
             * Format: uint32
             * @description How long it should train, in whatever its reports count.
             */
            epochs: number;
            /** @description Every trial of the sweep is settled, and no more will come. */
            finished: boolean;
            /**
             * Format: uuid
             * @description The right to report on it; `null` while there is nothing to train.
             */
            lease?: string | null;
            /**
             * Format: double
             * @description A lease not heard of for this long is given to somebody else, in seconds.
             */
            lease_s: number;
            /** @description Its settings. */
            params: {
                [key: string]: unknown;
            };
            /** @description Where an earlier attempt got to, if it named a checkpoint. */
            resume?: components["schemas"]["CheckpointRef"] | null;
            /** Format: uint64 */
            seed: number;
            /** Format: uuid */
            trial?: string | null;
        };
        Asymptote: {
            /** @description Doubling the budget added under one point in both arms. Otherwise only a "difference at N epochs". */
            converged: boolean;
            difference: components["schemas"]["Estimate"];
            /** Format: uint32 */
            epochs: number;
        };
        /** @description One lease of a trial, from claim to outcome. */
        AttemptView: {
            /**
             * Format: uint64
             * @description The last checkpoint it stored.
             */
            checkpoint_step?: number | null;
            /** Format: date-time */
            claimed_at: string;
            /** Format: date-time */
            ended_at?: string | null;
            /**
             * Format: uint64
             * @description Orders the attempts of a trial; never reused.
             */
            epoch: number;
            error?: string | null;
            job: components["schemas"]["JobKind"];
            /** Format: uuid */
            lease: string;
            /** @description `null` while it runs. */
            outcome?: components["schemas"]["Outcome"] | null;
            /**
             * Format: uint64
             * @description Where it started from: 0, or the step of the checkpoint it resumed.
             */
            resumed_from_step: number;
            /** Format: uuid */
            worker: string;
            worker_name: string;
        };
        /** @description A write that was answered, refusals included. */
        AuditEntry: {
            /** @description Method and route, such as `POST /api/v1/trials/{id}/cancel`. */
            action: string;
            /** Format: date-time */
            at: string;
            /** Format: uint64 */
            id: number;
            /** @description The caller's address. */
            ip: string;
            /** @description The answer's `x-request-id`. */
            request_id: string;
            scope?: components["schemas"]["Scope"] | null;
            /**
             * Format: uint16
             * @description HTTP status of the answer.
             */
            status: number;
            /** @description The id in the path, or that of what was made. */
            target?: string | null;
            /**
             * Format: uuid
             * @description The caller's token; none before anybody is recognised, as at a login.
             */
            token?: string | null;
            token_name?: string | null;
        };
        /** @description `GET /api/v1/audit`: who did what to which id, from where. Newest first. */
        AuditPage: {
            entries: components["schemas"]["AuditEntry"][];
            /**
             * Format: uint64
             * @description Pass it as `cursor` for what came before; none: that is all.
             */
            next_cursor?: number | null;
        };
        /**
         * @description Training-time augmentation, applied to whole batches on the device, in the order of the fields:
         *      crop and flip, rotation, policy and colour jitter on levels, then, on normalised images, erasing,
         *      cutout and mixing.
         */
        Augment: {
            /**
             * @default {
             *       "brightness": 0,
             *       "contrast": 0,
             *       "hue": 0,
             *       "saturation": 0
             *     }
             */
            color_jitter: components["schemas"]["ColorJitter"];
            /**
             * @default {
             *       "kind": "random_resized",
             *       "ratio": [
             *         0.75,
             *         1.3333333333333333
             *       ],
             *       "scale": [
             *         0.35,
             *         1
             *       ]
             *     }
             */
            crop: components["schemas"]["Crop"];
            /**
             * @default {
             *       "prob": 0,
             *       "size": 0.25
             *     }
             */
            cutout: components["schemas"]["Cutout"];
            /**
             * @default {
             *       "area": [
             *         0.02,
             *         0.3333333333333333
             *       ],
             *       "fill": "pixel",
             *       "prob": 0,
             *       "ratio": [
             *         0.3,
             *         3.3333333333333335
             *       ]
             *     }
             */
            erasing: components["schemas"]["Erasing"];
            /**
             * @default {
             *       "horizontal": 0.5,
             *       "vertical": 0
             *     }
             */
            flip: components["schemas"]["Flip"];
            /**
             * @default {
             *       "kind": "none"
             *     }
             */
            mix: components["schemas"]["Mix"];
            /**
             * @default {
             *       "kind": "none"
             *     }
             */
            policy: components["schemas"]["Policy"];
            /**
             * @default {
             *       "degrees": 0
             *     }
             */
            rotation: components["schemas"]["Rotation"];
        };
        /** @description A backbone under timm's name, its weights and its regularisation. */
        Backbone: {
            /** @default native */
            activation: components["schemas"]["Activation"];
            /**
             * Format: double
             * @description Stochastic depth: the last block's drop probability, growing linearly from 0.
             * @default 0
             */
            drop_path: number;
            /**
             * Format: double
             * @description Dropout before the last layer of the classifier.
             * @default 0
             */
            dropout: number;
            /**
             * @default {
             *       "hidden": null
             *     }
             */
            head: components["schemas"]["Head"];
            /**
             * @description timm's model name; see `crate::backbones`.
             * @default efficientnet_lite0
             */
            name: string;
            /**
             * @description pretrained, random, artifact:SHA256, trial:ID or file:NAME
             * @default pretrained
             */
            weights: string;
            /**
             * @description SHA-256 of the weights file, pinned at submission. Absent for random weights; to be given with `file:`, whose
             *      content the server does not see.
             * @default null
             */
            weights_sha256: string | null;
        };
        /** @description When a sweep has had enough. */
        Budget: {
            /**
             * Format: uint32
             * @description Most configurations drawn (each is trained once per seed).
             * @default null
             */
            configs: number | null;
        };
        CheckpointRef: {
            /**
             * Format: uint32
             * @description Epochs done.
             */
            epoch: number;
            sha256: string;
            /**
             * Format: uint64
             * @description Steps done.
             */
            step: number;
        };
        /** @description `POST /api/v1/leases` */
        Claim: {
            /**
             * @description Versions of datasets that this machine has at hand: of several jobs it rather gets one of these.
             * @default []
             */
            datasets: string[];
            /**
             * @description Jobs that need labels go to workers that have them.
             * @default []
             */
            labels: string[];
            /**
             * Format: uint32
             * @description Most leases wanted.
             */
            max: number;
            /**
             * Format: uint64
             * @description Memory of the device that a job may use, in bytes.
             * @default null
             */
            memory_bytes: number | null;
            /**
             * Format: uuid
             * @description Names this claim: sent again, it gets the same leases.
             */
            request: string;
            /**
             * Format: double
             * @description How long the server may hold the request while the queue is empty, in seconds.
             * @default 0
             */
            wait_s: number;
            worker: components["schemas"]["WorkerIdentity"];
        };
        ClaimReply: {
            /**
             * Format: double
             * @description When the leases were handed out, in seconds from when the claim arrived; negative for those that an earlier copy
             *      of it had got. A worker counts their length from there, by its own clock, from when it sent the claim. A server
             *      that does not say is taken to have handed them out at once, which is never too late.
             * @default 0
             */
            granted_after_s: number;
            /**
             * Format: double
             * @description How often to send heartbeats, in seconds.
             */
            heartbeat_s: number;
            /**
             * Format: double
             * @description A lease not renewed for this long is given to somebody else, in seconds.
             */
            lease_s: number;
            leases: components["schemas"]["Lease"][];
            /** @description Why this worker gets no leases until somebody releases it. */
            quarantine?: string | null;
        };
        /** @description Colour jitter, as torchvision's: the four in random order, each by a factor of its own. */
        ColorJitter: {
            /**
             * Format: double
             * @description The factor is uniform in [1 - x, 1 + x].
             * @default 0
             */
            brightness: number;
            /**
             * Format: double
             * @default 0
             */
            contrast: number;
            /**
             * Format: double
             * @description The shift of the hue is uniform in [-x, x] turns.
             * @default 0
             */
            hue: number;
            /**
             * Format: double
             * @default 0
             */
            saturation: number;
        };
        /** @description `POST /api/v1/compare`: arms of completed trials, each with its seeds, against the first of them. */
        Compare: {
            arms: components["schemas"]["CompareArm"][];
            dataset: string;
            /**
             * @description `val_top1`, or `test_top1` where every trial was evaluated on test.
             * @enum {string}
             */
            metric: "val_top1" | "test_top1";
            /**
             * @description The first arm is the first because it did best by this metric: p values are then adjusted over all pairs of arms, from
             *      which looking picked these, and not only over the comparisons made.
             * @default false
             */
            selected: boolean;
        };
        /** @description Trials that differ in nothing but their seeds. */
        CompareArm: {
            name: string;
            trials: string[];
        };
        ComparedArm: {
            name: string;
            /** @description Mean over the seeds, with its interval over groups and seeds. */
            top1: components["schemas"]["Estimate"];
            /** @description Against the first arm on the same images, p values adjusted over all arms; absent for the first itself. */
            vs_first?: components["schemas"]["Comparison"] | null;
        };
        /** @description The answer: the arms in the order they were asked for. */
        CompareReport: {
            arms: components["schemas"]["ComparedArm"][];
            dataset: string;
            metric: string;
        };
        /** @description A difference between two rows, with its interval and p value. */
        Comparison: {
            /**
             * Format: double
             * @description This row minus the other.
             */
            difference: number;
            /** Format: double */
            high: number;
            /** Format: double */
            low: number;
            /**
             * Format: double
             * @description Sign-flip test over groups, Holm-adjusted over the rows of the table.
             */
            p_holm: number;
        };
        /** @description `POST /api/v1/leases/{id}/complete`: the last word. Sent again, it gets the same answer. */
        Complete: {
            /**
             * @description What went wrong, if something did.
             * @default null
             */
            error: string | null;
            /**
             * @description Other final values by name, for people.
             * @default {}
             */
            metrics: {
                [key: string]: number | ("NaN" | "Infinity" | "-Infinity");
            };
            /** @default completed */
            outcome: components["schemas"]["Outcome"];
            /**
             * Format: double
             * @description What it took.
             * @default 0
             */
            seconds: number;
            /**
             * @description Final value of what the sweep optimises; a completed trial has one.
             * @default null
             */
            value: (number | ("NaN" | "Infinity" | "-Infinity")) | null;
        };
        /** @enum {string} */
        Confidence: "read" | "secondary";
        /** @description What a job used. */
        Cost: {
            /**
             * @description Version of the code that trained.
             * @default
             */
            code_version: string;
            /**
             * @description `cpu` or the GPU's name.
             * @default
             */
            device: string;
            /**
             * Format: uint64
             * @description Training images seen, counted with repetition.
             * @default 0
             */
            images: number;
            /**
             * Format: double
             * @description Median milliseconds in which the finished model predicted one image, its views included, on this device.
             * @default null
             */
            latency_ms: number | null;
            /**
             * Format: uint32
             * @description Images taken at once, where those that the spec asks for had no room in the device's memory.
             */
            micro_batch?: number | null;
            /**
             * Format: uint64
             * @description Scalars in the parameters of the model, frozen ones included; 0 where no model was finished.
             * @default 0
             */
            n_params: number;
            /**
             * @description `f32`, `bf16` or `f16`.
             * @default
             */
            precision: string;
            /**
             * Format: double
             * @description Wall-clock seconds of this attempt.
             * @default 0
             */
            seconds: number;
            /**
             * Format: double
             * @description Of the earlier attempts, up to the checkpoint that this one went on from.
             */
            seconds_before?: number;
            /**
             * @description What became of the weights file, where there was one.
             * @default null
             */
            weights: components["schemas"]["LoadedWeights"] | null;
        };
        /**
         * @description What a configuration costs, smaller is better: fields of [`Cost`](crate::trainer::Cost), or metrics of that name
         *      that an external trial reports.
         */
        CostMetric: "seconds" | "n_params" | "latency_ms";
        /** @description The only time the secret is shown. */
        CreatedToken: {
            /** Format: uuid */
            id: string;
            scope: components["schemas"]["Scope"];
            token: string;
        };
        /** @description How a training crop is chosen. */
        Crop: {
            /** @constant */
            kind: "center";
        } | {
            /** @constant */
            kind: "random_resized";
            /**
             * @description Smallest and largest width / height.
             * @default [
             *       0.75,
             *       1.3333333333333333
             *     ]
             */
            ratio: number[];
            /**
             * @description Smallest and largest share of the image's area, in (0, 1].
             * @default [
             *       0.35,
             *       1
             *     ]
             */
            scale: number[];
        };
        CurvePoint: {
            /**
             * Format: double
             * @description Share of the range in [0, 1] at the middle of a bin; of a choice the index of the alternative.
             */
            at: number;
            /**
             * Format: double
             * @description Standard deviation over the trees, each of which saw another sample of the results.
             */
            deviation: number;
            /** Format: double */
            mean: number;
        };
        /** @description Cutout (DeVries and Taylor 2017): a square around a random pixel is set to the mean colour. */
        Cutout: {
            /**
             * Format: double
             * @description Probability that an image loses a square.
             * @default 0
             */
            prob: number;
            /**
             * Format: double
             * @description Side of the square over that of the image; what lies beyond the border is cut off.
             * @default 0.25
             */
            size: number;
        };
        /** @description Which images train and which validate. */
        Data: {
            /**
             * @description Name of a registered dataset.
             * @default
             */
            dataset: string;
            /**
             * @description How training images come into batches.
             * @default {
             *       "kind": "shuffle"
             *     }
             */
            sampler: components["schemas"]["Sampler"];
            /**
             * Format: uint64
             * @description Seed of the validation split of a dataset that ships none.
             * @default 0
             */
            split_seed: number;
            /**
             * Format: double
             * @description Share of the training split used, per class, in (0, 1].
             * @default 1
             */
            train_fraction: number;
            /**
             * @description What the weights are fitted on.
             * @default train
             */
            train_on: components["schemas"]["TrainOn"];
            /**
             * @description The dataset version (hash of its manifest). Left out: the newest, pinned at submission.
             * @default null
             */
            version: string | null;
        };
        DataFile: {
            /** Format: uint64 */
            n_bytes: number;
            /** Format: uint64 */
            n_rows: number;
            /** @description The artifact that holds the file. */
            sha256: string;
        };
        /** @description `GET /api/v1/datasets/{name}` */
        DatasetDetail: {
            dataset: components["schemas"]["DatasetView"];
            manifest: components["schemas"]["Manifest"];
        };
        DatasetFiles: {
            data: string[];
            /** @description The artifact that holds the manifest's canonical JSON; its digest is `version`. */
            manifest: string;
            name: string;
            version: string;
        };
        /** @description `GET /api/v1/datasets`: one entry a dataset, its newest version. */
        DatasetView: {
            /** Format: date-time */
            created_at: string;
            /** Format: uint64 */
            n_bytes: number;
            /** Format: uint64 */
            n_classes: number;
            /** Format: uint64 */
            n_groups: number;
            /** Format: uint64 */
            n_test: number;
            /** Format: uint64 */
            n_train: number;
            /** Format: uint64 */
            n_val: number;
            name: string;
            sources: components["schemas"]["Source"][];
            title: string;
            version: string;
        };
        /** @description What a worker computes with. */
        DeviceInfo: {
            /**
             * @description `cpu` or `cuda`.
             * @default
             */
            kind: string;
            /**
             * Format: uint64
             * @default null
             */
            memory_bytes: number | null;
            /**
             * Format: uint32
             * @default 0
             */
            n_threads: number;
            /**
             * @description `cpu` or the GPU's name.
             * @default
             */
            name: string;
        };
        /** @enum {string} */
        Direction: "maximize" | "minimize";
        /** @description An exponential moving average of weights and BatchNorm statistics. */
        Ema: {
            /**
             * Format: double
             * @description Epochs after which a step's weights count half.
             * @default 0.5
             */
            half_life_epochs: number;
        };
        /** @description `POST /api/v1/workers/enroll` */
        Enrolment: {
            enrol_token: string;
            /**
             * Format: uuid
             * @description The worker that the token will be good for, and no other.
             */
            worker: string;
        };
        /** @description `POST /api/v1/leases/{id}/report`: the value after so many epochs. Sent again, it changes nothing. */
        EpochReport: {
            /** Format: uint32 */
            epoch: number;
            value: number | ("NaN" | "Infinity" | "-Infinity");
        };
        /** @description What stands where an image was erased. */
        EraseFill: "const" | "pixel";
        /** @description Random erasing (Zhong et al. 2020): a rectangle of an image is overwritten. */
        Erasing: {
            /**
             * @description Smallest and largest share of the image's area.
             * @default [
             *       0.02,
             *       0.3333333333333333
             *     ]
             */
            area: number[];
            /** @default pixel */
            fill: components["schemas"]["EraseFill"];
            /**
             * Format: double
             * @description Probability that an image loses a rectangle.
             * @default 0
             */
            prob: number;
            /**
             * @description Smallest and largest height / width.
             * @default [
             *       0.3,
             *       3.3333333333333335
             *     ]
             */
            ratio: number[];
        };
        /** @description The body of every answer that is not a 2xx. */
        ErrorBody: {
            /**
             * @description A stable word for programs: `invalid`, `not_found`, `unauthorized`, `forbidden`,
             *      `conflict`, `superseded`, `wrong_offset`, `too_large`, `timeout`, `rate_limited`, `unavailable`, `internal`.
             */
            code: string;
            /** @description What was wrong, where, and what would be right. */
            error: string;
            /** @description Names the request in the server's log. */
            request_id?: string | null;
            /** @description For `invalid`: every violation, each with its JSON pointer. */
            violations?: components["schemas"]["Violation"][];
        };
        /** @description A mean with its 95% interval. Accuracies are fractions in [0, 1]. */
        Estimate: {
            /** Format: double */
            high: number;
            /** Format: double */
            low: number;
            /** Format: double */
            mean: number;
            /**
             * Format: uint32
             * @description Seeds.
             */
            n: number;
        };
        /** @description One evaluation of a trial's final model. */
        EvaluationView: {
            error?: string | null;
            /** Format: date-time */
            finished_at?: string | null;
            metrics: {
                [key: string]: number;
            };
            predictions?: string | null;
            reason: string;
            /** Format: date-time */
            requested_at: string;
            split: components["schemas"]["Split"];
            state: components["schemas"]["TrialState"];
        };
        EvalWeights: "ema" | "raw";
        /** @description What `GET /api/v1/events` streams. The SSE event name is the `kind`. */
        Event: {
            dataset: string;
            /** @constant */
            kind: "trial";
            state: components["schemas"]["TrialState"];
            /** Format: uuid */
            sweep?: string | null;
            /** Format: uuid */
            trial: string;
        } | {
            /** @constant */
            kind: "progress";
            progress: components["schemas"]["Progress"];
            /** Format: uuid */
            sweep?: string | null;
            /** Format: uuid */
            trial: string;
        } | {
            dataset: string;
            /** @constant */
            kind: "evaluation";
            /** Format: uuid */
            trial: string;
        } | {
            /** @constant */
            kind: "sweep";
            /** Format: uuid */
            sweep: string;
        } | {
            /** @constant */
            kind: "dataset";
            name: string;
        } | {
            entry: components["schemas"]["SotaEntry"];
            /** @constant */
            kind: "sota";
        };
        /** @description `POST /api/v1/leases/{id}/finish`: sent again, it gets the same answer. */
        Finish: {
            /**
             * @default {
             *       "code_version": "",
             *       "device": "",
             *       "images": 0,
             *       "latency_ms": null,
             *       "n_params": 0,
             *       "precision": "",
             *       "seconds": 0,
             *       "weights": null
             *     }
             */
            cost: components["schemas"]["Cost"];
            /** @default null */
            error: string | null;
            /**
             * @description Final values by metric name.
             * @default {}
             */
            metrics: {
                [key: string]: number | ("NaN" | "Infinity" | "-Infinity");
            };
            /** @default null */
            model: string | null;
            outcome: components["schemas"]["Outcome"];
            /** @default null */
            predictions: string | null;
            /**
             * Format: uint64
             * @description Steps done in all.
             * @default 0
             */
            step: number;
        };
        /** @description Length, batch size, resolution, precision and seed of the run, and which weights come out of it. */
        Fit: {
            /**
             * Format: uint32
             * @description Micro-batches a step's images are split into, one after another: less memory for the same gradient.
             *      BatchNorm sees the micro-batches.
             * @default 1
             */
            accumulation: number;
            /**
             * Format: uint32
             * @description Images of one optimizer step.
             * @default 64
             */
            batch_size: number;
            /**
             * @description Only algorithms that repeat bit for bit; on a GPU they are slower. The CPU repeats anyhow.
             * @default false
             */
            deterministic: boolean;
            /**
             * @description A moving average of the weights beside those being trained; null: none.
             * @default null
             */
            ema: components["schemas"]["Ema"] | null;
            /**
             * Format: uint32
             * @description Passes over the training images.
             * @default 10
             */
            epochs: number;
            /**
             * Format: uint32
             * @description Side of the evaluation crop in pixels. Left out: the training resolution.
             * @default null
             */
            eval_resolution: number | null;
            /**
             * @description Whose validation decides, and which are kept. Left out: the average where there is one.
             * @default null
             */
            eval_weights: components["schemas"]["EvalWeights"] | null;
            /**
             * @description Stretches of the run that train different parts, at different resolutions. None: all of it in
             *      one.
             * @default []
             */
            phases: components["schemas"]["Phase"][];
            /** @default auto */
            precision: components["schemas"]["Precision"];
            /**
             * Format: uint32
             * @description Side of the square training crop in pixels.
             * @default 224
             */
            resolution: number;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
            /**
             * @description Which epoch's weights are kept and scored.
             * @default last
             */
            select: components["schemas"]["Select"];
        };
        /** @description Mirror probabilities. */
        Flip: {
            /**
             * Format: double
             * @default 0.5
             */
            horizontal: number;
            /**
             * Format: double
             * @default 0
             */
            vertical: number;
        };
        /** @description The classifier on top of the backbone. */
        Head: {
            /**
             * Format: uint32
             * @description Width of a hidden layer under the backbone's activation. Left out: one linear layer.
             * @default null
             */
            hidden: number | null;
        };
        /** @description `POST /api/v1/heartbeats`: renews exactly the leases it lists. */
        Heartbeat: {
            leases: string[];
            worker: components["schemas"]["WorkerIdentity"];
        };
        HeartbeatReply: {
            /** @description An order for each listed lease. One that is left out was not renewed, since its trial is just being changed. */
            orders: {
                [key: string]: components["schemas"]["Order"];
            };
        };
        ImageEntry: {
            /** @description Images of one group are one draw: no split cuts a group. Defaults to the image's own hash. */
            group?: string | null;
            /**
             * Format: uint32
             * @description Index into `classes`.
             */
            label: number;
            /** @description SHA-256 of the encoded image bytes. */
            sha256: string;
            split: components["schemas"]["Split"];
        };
        /** @description `GET /api/v1/sweeps/{id}/importance`: what of a sweep's space decides its objective, by a forest fitted to its results. */
        ImportanceReport: {
            /** @description Strongest first. */
            interactions: components["schemas"]["Interaction"][];
            /**
             * Format: uint
             * @description Configurations with a result.
             */
            n_results: number;
            /** @description Most important first; empty while there are too few results, or where nothing varies. */
            params: components["schemas"]["ParamImportance"][];
        };
        /** @description How pixels reach the network. `null` means: as the checkpoint says. */
        Input: {
            /**
             * Format: double
             * @description Share of the resized image the evaluation crop covers, in (0, 1].
             * @default null
             */
            crop_pct: number | null;
            /** @default null */
            interpolation: components["schemas"]["Interpolation"] | null;
            /**
             * @description Per-channel mean of pixels in [0, 1].
             * @default null
             */
            mean: number[] | null;
            /**
             * @description Per-channel standard deviation of pixels in [0, 1].
             * @default null
             */
            std: number[] | null;
            /**
             * @description Views an evaluated image is seen in.
             * @default none
             */
            tta: components["schemas"]["Tta"];
        };
        /** @description What two parameters explain together beyond what each explains alone. */
        Interaction: {
            pointers: [
                string,
                string
            ];
            share: components["schemas"]["VarianceShare"];
        };
        /** @enum {string} */
        Interpolation: "bilinear" | "bicubic";
        /** @description Seconds that something takes, with a 95% interval. */
        Interval: {
            /** Format: double */
            expected: number;
            /** Format: double */
            high: number;
            /** Format: double */
            low: number;
        };
        /** @description What to do. Everything it names is an artifact of the server. */
        Job: {
            dataset: components["schemas"]["DatasetFiles"];
            /** @constant */
            kind: "train";
            /** @description Where an earlier attempt got to. */
            resume?: components["schemas"]["CheckpointRef"] | null;
            /**
             * @description SHA-256 of the canonical spec under which that checkpoint was written, where it is another's: population
             *      based training goes on from copies.
             */
            resume_spec?: string | null;
            spec: components["schemas"]["TrialSpec"];
            /** @description Backbone weights; none for random weights. */
            weights?: string | null;
        } | {
            dataset: components["schemas"]["DatasetFiles"];
            /** @constant */
            kind: "evaluate";
            model: string;
            spec: components["schemas"]["TrialSpec"];
            split: components["schemas"]["Split"];
        };
        /**
         * @description What a lease asks a worker to do.
         * @enum {string}
         */
        JobKind: "train" | "evaluate";
        /** @description `GET /api/v1/leaderboard?dataset=&metric=` */
        Leaderboard: {
            dataset: string;
            /** @description The metric ranked by: `val_top1` or, where every shown row has it, `test_top1`. */
            metric: string;
            /**
             * Format: uint64
             * @description How many times the test split was opened, in all.
             */
            n_test_accesses: number;
            /** @description What a reader must know to read the table right. */
            notes: string[];
            /** @description Best first. */
            rows: components["schemas"]["LeaderboardRow"][];
            sota: components["schemas"]["SotaEntry"][];
            version?: string | null;
        };
        /** @description One configuration, its seeds folded together. */
        LeaderboardRow: {
            activation: string;
            adaptation: string;
            backbone: string;
            config_id: string;
            /** Format: uint32 */
            epochs: number;
            /** @description What sets it apart, in a few words. */
            label: string;
            /** Format: double */
            lr: number;
            mix: string;
            optimizer: string;
            /** Format: uint64 */
            rank: number;
            /** Format: uint32 */
            resolution: number;
            schedule: string;
            /** @description The best of several tried on this same split: its number is flattered by the choice. */
            selected: boolean;
            /** Format: double */
            smoothing: number;
            /** @description Only where the test split was opened for it. */
            test_top1?: components["schemas"]["Estimate"] | null;
            /**
             * Format: double
             * @description Sum over the seeds, in seconds.
             */
            train_seconds: number;
            /** @description Completed trials, one per seed. */
            trials: string[];
            val_top1?: components["schemas"]["Estimate"] | null;
            /** @description Against the top row, on the same validation images; absent for the top row itself. */
            vs_top?: components["schemas"]["Comparison"] | null;
            weights: string;
        };
        /**
         * @description The dataset an AutoAugment policy was learnt on.
         * @enum {string}
         */
        LearntOn: "imagenet" | "cifar10" | "svhn";
        /** @description The right to write to one attempt. */
        Lease: {
            /**
             * Format: uint64
             * @description Orders the attempts of a trial.
             */
            epoch: number;
            /** Format: uuid */
            id: string;
            job: components["schemas"]["Job"];
            /** Format: uuid */
            trial: string;
        };
        /** @description The answer to every write of a lease holder. */
        LeaseReply: {
            order: components["schemas"]["Order"];
        };
        /** @description Which tensors a model took from its weights file. */
        LoadedWeights: {
            /**
             * @description The first of their names.
             * @default []
             */
            made: string[];
            /**
             * Format: uint32
             * @description Tensors taken.
             * @default 0
             */
            n_loaded: number;
            /**
             * Format: uint32
             * @description Tensors of the model that stayed fresh.
             * @default 0
             */
            n_made: number;
            /**
             * Format: uint32
             * @description Tensors of the file that were left out, but for counters of batches, which no model of ours has.
             * @default 0
             */
            n_skipped: number;
            /**
             * @description The first of their names.
             * @default []
             */
            skipped: string[];
        };
        /** @description `POST /api/v1/leases/{id}/logs` */
        LogBatch: {
            /**
             * Format: uint64
             * @description Number of the first line within the attempt, from 0: makes a replay harmless.
             */
            first_line: number;
            lines: string[];
        };
        /** @description `POST /api/v1/session`: exchanges the one-time token of the printed login URL for a cookie. */
        Login: {
            login_token: string;
        };
        /** @description `POST /api/v1/session/links`: the only time the link is shown. */
        LoginLink: {
            /** Format: date-time */
            expires_at: string;
            /** @description The page's address with a login token in its fragment: opened once, it logs a browser in as an admin. */
            url: string;
        };
        /** @description The training loss: one of the logits, averaged over the batch, plus a metric loss of the embedding. */
        Loss: {
            /** @constant */
            kind: "cross_entropy";
            /**
             * @default {
             *       "kind": "none"
             *     }
             */
            metric: components["schemas"]["MetricLoss"];
            /**
             * Format: double
             * @description Label smoothing (Szegedy et al. 2016): this much of the label mass is spread evenly over all classes.
             * @default 0
             */
            smoothing: number;
        } | {
            /** @constant */
            kind: "bce";
            /**
             * @default {
             *       "kind": "none"
             *     }
             */
            metric: components["schemas"]["MetricLoss"];
            /**
             * Format: double
             * @default 0
             */
            smoothing: number;
            /**
             * Format: double
             * @description Targets above this count as 1, all others as 0; null leaves them soft.
             * @default null
             */
            target_threshold: number | null;
        } | {
            /**
             * Format: double
             * @description 0 is cross entropy.
             * @default 2
             */
            gamma: number;
            /** @constant */
            kind: "focal";
            /**
             * @default {
             *       "kind": "none"
             *     }
             */
            metric: components["schemas"]["MetricLoss"];
            /**
             * Format: double
             * @default 0
             */
            smoothing: number;
        } | {
            /** @constant */
            kind: "probe";
            metric: components["schemas"]["MetricLoss"];
        };
        /** @description Everything there is to know about a dataset version but the pixels. Its hash is the version. */
        Manifest: {
            /** @description Class names; a label is an index into this list. */
            classes: string[];
            /** @description Parquet files in the Hugging Face image convention, rows in the order of `images`. */
            files: components["schemas"]["DataFile"][];
            /** @description In the order of the rows of the Parquet files: an image is named by its index here. */
            images: components["schemas"]["ImageEntry"][];
            /** @description Lower-case letters, digits and dashes; what specs refer to. */
            name: string;
            /** @default [] */
            sources: components["schemas"]["Source"][];
            /**
             * @description How the splits came about, in words.
             * @default
             */
            split_rule: string;
            /** @default  */
            title: string;
        };
        /** @description `POST /api/v1/leases/{id}/metrics`: idempotent by (attempt, metric, step). */
        MetricBatch: {
            /** @default [] */
            points: components["schemas"]["MetricPoint"][];
            /** @default null */
            progress: components["schemas"]["Progress"] | null;
        };
        /** @description A loss of the pooled embedding, L2-normalised. */
        MetricLoss: {
            /** @constant */
            kind: "none";
        } | {
            /** @constant */
            kind: "contrastive";
            /**
             * Format: double
             * @default 1
             */
            neg_margin: number;
            /**
             * Format: double
             * @default 0
             */
            pos_margin: number;
            /**
             * Format: double
             * @default 1
             */
            weight: number;
        } | {
            /** @constant */
            kind: "triplet";
            /**
             * Format: double
             * @default 0.2
             */
            margin: number;
            /** @default batch_hard */
            mining: components["schemas"]["Mining"];
            /**
             * Format: double
             * @default 1
             */
            weight: number;
        } | {
            /** @constant */
            kind: "sup_con";
            /**
             * Format: double
             * @default 0.1
             */
            temperature: number;
            /**
             * Format: double
             * @default 1
             */
            weight: number;
        } | {
            /** @constant */
            kind: "arc_face";
            /**
             * Format: double
             * @description In radians.
             * @default 0.5
             */
            margin: number;
            /**
             * Format: double
             * @default 64
             */
            scale: number;
        };
        /** @description One value of one metric. */
        MetricPoint: {
            /**
             * Format: double
             * @description Passes over the training set, fractional between epochs.
             */
            epoch: number;
            metric: string;
            /** Format: uint64 */
            step: number;
            value: number | ("NaN" | "Infinity" | "-Infinity");
        };
        /** @description `GET /api/v1/trials/{id}/metrics` */
        MetricSummaries: {
            /** @description By name. */
            metrics: components["schemas"]["MetricSummary"][];
        };
        /** @description What a metric came to over the run so far. */
        MetricSummary: {
            /** Format: double */
            highest?: number | null;
            last: components["schemas"]["SeriesPoint"];
            /**
             * Format: double
             * @description Of the finite values; `null` if there were none.
             */
            lowest?: number | null;
            metric: string;
        };
        /** @description Which triplets of a batch count. */
        Mining: "batch_hard" | "semi_hard";
        /**
         * @description Mixing of two images of a batch and their labels. The partner of an image is its mirror in the
         *      batch; all images of a batch share one draw.
         */
        Mix: {
            /** @constant */
            kind: "none";
        } | {
            /**
             * Format: double
             * @description Both parameters of the Beta distribution the area is drawn from.
             * @default 1
             */
            alpha: number;
            /** @constant */
            kind: "cutmix";
            /**
             * Format: double
             * @description Probability that a batch is mixed.
             * @default 1
             */
            prob: number;
        } | {
            /**
             * Format: double
             * @description Both parameters of the Beta distribution the weight is drawn from.
             * @default 0.8
             */
            alpha: number;
            /** @constant */
            kind: "mixup";
            /**
             * Format: double
             * @description Probability that a batch is mixed.
             * @default 1
             */
            prob: number;
        } | {
            /**
             * Format: double
             * @default 1
             */
            cutmix_alpha: number;
            /** @constant */
            kind: "cutmix_or_mixup";
            /**
             * Format: double
             * @default 0.8
             */
            mixup_alpha: number;
            /**
             * Format: double
             * @description Probability that a batch is mixed.
             * @default 1
             */
            prob: number;
            /**
             * Format: double
             * @description Probability that a mixed batch is mixed by CutMix.
             * @default 0.5
             */
            switch_prob: number;
        };
        /** @description What a job needs of the machine that gets it. */
        Needs: {
            /**
             * @description `cpu` or `cuda`; `null` for either.
             * @default null
             */
            device: string | null;
            /**
             * @description Labels that its worker was started with.
             * @default []
             */
            labels: string[];
            /**
             * Format: uint64
             * @description Free memory of the device, in bytes.
             * @default null
             */
            memory_bytes: number | null;
        };
        /** @description `POST /api/v1/workers/enrolments`: a token that one worker exchanges, once, for its own. */
        NewEnrolment: {
            /**
             * Format: uint64
             * @description Seconds until it expires.
             * @default 3600
             */
            expires_in_s: number;
            /** @description What it is for; the worker's token gets this name. */
            name: string;
        };
        /** @description `POST /api/v1/trials/{id}/evaluate`: asks for predictions on a held-out split. */
        NewEvaluation: {
            /** @description Why the test split is opened; kept with the count of accesses. */
            reason: string;
            split: components["schemas"]["Split"];
        };
        /** @description `POST /api/v1/tokens` */
        NewToken: {
            /**
             * Format: uint64
             * @description Seconds until it expires; left out: never.
             * @default null
             */
            expires_in_s: number | null;
            name: string;
            scope: components["schemas"]["Scope"];
        };
        /** @description `POST /api/v1/trials` */
        NewTrial: {
            /**
             * @description What a machine must have to be handed it.
             * @default {
             *       "device": null,
             *       "labels": [],
             *       "memory_bytes": null
             *     }
             */
            needs: components["schemas"]["Needs"];
            /** @description Fields left out take their defaults. */
            spec: components["schemas"]["TrialSpec"];
        };
        /** @description The number a sweep optimises, always measured on validation. */
        Objective: {
            /** @default maximize */
            direction: components["schemas"]["Direction"];
            /** @default val_top1 */
            metric: components["schemas"]["ObjectiveMetric"];
        };
        ObjectiveMetric: ("val_top1" | "val_mean_per_class" | "val_macro_f1" | "val_loss") | "val_recall_at_1" | "val_knn_top1" | "value";
        /** @description The optimizer. Weight decay never touches biases and other 1-d parameters. */
        Optimizer: {
            /**
             * Format: double
             * @description Largest global gradient norm; null switches clipping off.
             * @default null
             */
            clip: number | null;
            /** @constant */
            kind: "sgd";
            /**
             * Format: double
             * @default 0.01
             */
            lr: number;
            /**
             * Format: double
             * @default 0.9
             */
            momentum: number;
            /** @default true */
            nesterov: boolean;
            /**
             * @description Sharpness-aware minimisation; null switches it off.
             * @default null
             */
            sam: components["schemas"]["Sam"] | null;
            /**
             * Format: double
             * @default 0.0005
             */
            weight_decay: number;
        } | {
            /**
             * @default [
             *       0.9,
             *       0.999
             *     ]
             */
            betas: number[];
            /**
             * Format: double
             * @description Largest global gradient norm; null switches clipping off.
             * @default null
             */
            clip: number | null;
            /**
             * Format: double
             * @default 1e-8
             */
            eps: number;
            /** @constant */
            kind: "adam";
            /**
             * Format: double
             * @default 0.001
             */
            lr: number;
            /**
             * @description Sharpness-aware minimisation; null switches it off.
             * @default null
             */
            sam: components["schemas"]["Sam"] | null;
            /**
             * Format: double
             * @default 0.0005
             */
            weight_decay: number;
        } | {
            /**
             * @default [
             *       0.9,
             *       0.999
             *     ]
             */
            betas: number[];
            /**
             * Format: double
             * @description Largest global gradient norm; null switches clipping off.
             * @default null
             */
            clip: number | null;
            /**
             * Format: double
             * @default 1e-8
             */
            eps: number;
            /** @constant */
            kind: "adamw";
            /**
             * Format: double
             * @default 0.001
             */
            lr: number;
            /**
             * @description Sharpness-aware minimisation; null switches it off.
             * @default null
             */
            sam: components["schemas"]["Sam"] | null;
            /**
             * Format: double
             * @default 0.01
             */
            weight_decay: number;
        } | {
            /**
             * @default [
             *       0.9,
             *       0.999
             *     ]
             */
            betas: number[];
            /**
             * Format: double
             * @description Largest global gradient norm; null switches clipping off.
             * @default null
             */
            clip: number | null;
            /**
             * Format: double
             * @default 1e-8
             */
            eps: number;
            /** @constant */
            kind: "radam";
            /**
             * Format: double
             * @default 0.001
             */
            lr: number;
            /**
             * @description Sharpness-aware minimisation; null switches it off.
             * @default null
             */
            sam: components["schemas"]["Sam"] | null;
            /**
             * Format: double
             * @default 0.01
             */
            weight_decay: number;
        } | {
            /**
             * @default [
             *       0.95,
             *       0.999
             *     ]
             */
            betas: number[];
            /**
             * Format: double
             * @description Largest global gradient norm; null switches clipping off.
             * @default null
             */
            clip: number | null;
            /**
             * Format: double
             * @default 0.00001
             */
            eps: number;
            /** @constant */
            kind: "ranger";
            /**
             * Format: double
             * @description Lookahead: share of the way the slow weights move.
             * @default 0.5
             */
            lookahead_alpha: number;
            /**
             * Format: uint32
             * @description Lookahead: fast steps between two synchronisations.
             * @default 6
             */
            lookahead_k: number;
            /**
             * Format: double
             * @default 0.001
             */
            lr: number;
            /**
             * @description Sharpness-aware minimisation; null switches it off.
             * @default null
             */
            sam: components["schemas"]["Sam"] | null;
            /**
             * Format: double
             * @default 0.01
             */
            weight_decay: number;
        };
        /** @description What the server wants of a running lease. */
        Order: ("continue" | "cancel" | "prune") | "yield" | "unknown";
        /** @description How an attempt ended. */
        Outcome: ("completed" | "pruned" | "cancelled" | "out_of_memory") | "yielded" | "preempted" | "lost" | "stalled" | "diverged" | "crashed" | "worker_fault" | "bad_input";
        /** @description What one parameter explains. */
        ParamImportance: {
            /** @description The expected objective along the parameter, the others averaged out. */
            curve: components["schemas"]["CurvePoint"][];
            /**
             * Format: double
             * @description Increase of the squared error when its values are shuffled, in variances of the results.
             */
            permutation: number;
            /** @description JSON pointer into what the sweep lays over its base. */
            pointer: string;
            /** @description By this parameter alone. */
            share: components["schemas"]["VarianceShare"];
        };
        /** @description A configuration with its completed trials. */
        ParetoConfig: {
            label: string;
            /** Format: uint32 */
            n_seeds: number;
            /**
             * Format: uint32
             * @description 0: no other configuration is as good in every objective and better in one. 1: only those of rank 0 are; and so on.
             */
            rank: number;
            /**
             * Format: uuid
             * @description Its first trial.
             */
            trial: string;
            /** @description Means over the seeds, one an objective. */
            values: number[];
        };
        ParetoObjective: {
            /**
             * Format: double
             * @description The best and the worst value of the configurations; `null` while there are none.
             */
            best?: number | null;
            direction: components["schemas"]["Direction"];
            metric: string;
            /** Format: double */
            worst?: number | null;
        };
        /** @description `GET /api/v1/sweeps/{id}/pareto`: a sweep's configurations by several objectives at once. */
        ParetoReport: {
            /** @description By rank, then by the first objective, the best first. */
            configs: components["schemas"]["ParetoConfig"][];
            /**
             * Format: double
             * @description Share of the box between the worst and the best value of each objective that the front dominates, in [0, 1]; `null`
             *      where the configurations do not differ in some objective.
             */
            hypervolume?: number | null;
            /**
             * Format: uint
             * @description Configurations with a result of which some cost is not known.
             */
            n_left_out: number;
            /** @description The sweep's own objective, then the costs. */
            objectives: components["schemas"]["ParetoObjective"][];
        };
        /** @description `POST /api/v1/sweeps/{id}/pause` */
        PauseSweep: {
            /**
             * @description Let running trials run to their end; otherwise they give way at their next step, with a checkpoint.
             * @default false
             */
            drain: boolean;
        };
        /** @description A stretch of the run. */
        Phase: {
            /**
             * Format: double
             * @description Its learning rates over the spec's.
             * @default 1
             */
            lr_mult: number;
            /**
             * Format: uint32
             * @description Side of the training crop in pixels. Left out: `fit.resolution`, or `fit.eval_resolution` where the
             *      views are those of evaluation.
             * @default null
             */
            resolution: number | null;
            /**
             * Format: double
             * @description Its share of the epochs, over the sum of all phases' shares.
             * @default 1
             */
            share: number;
            /** @default all */
            train: components["schemas"]["PhaseTrains"];
            /** @default augmented */
            views: components["schemas"]["PhaseViews"];
        };
        /** @description What a phase trains. The rest is frozen, BatchNorm's statistics included. */
        PhaseTrains: ("all" | "head") | "head_and_last_norm";
        /** @description How a phase sees its images. */
        PhaseViews: "augmented" | "evaluation";
        /** @description Operations drawn for each image from a published list. */
        Policy: {
            /** @constant */
            kind: "none";
        } | {
            /** @constant */
            kind: "auto_augment";
            /**
             * @description The dataset the pairs were learnt on.
             * @default imagenet
             */
            policy: components["schemas"]["LearntOn"];
        } | {
            convention: components["schemas"]["RandConvention"];
            /**
             * @description timm only: every operation grows stronger with the magnitude (`inc1`).
             * @default false
             */
            increasing: boolean;
            /** @constant */
            kind: "rand_augment";
            /**
             * Format: double
             * @description Magnitude: of 10 in timm's convention, one of 0 to 30 in torchvision's.
             * @default 9
             */
            m: number;
            /**
             * Format: double
             * @description timm only: standard deviation of the magnitude.
             * @default 0
             */
            mstd: number;
            /**
             * Format: uint32
             * @description Operations an image.
             * @default 2
             */
            n: number;
        } | {
            /** @constant */
            kind: "trivial_augment";
        };
        /**
         * @description Number formats of the forward and backward passes. Weights, gradients and optimizer state are f32 always, and
         *      so is evaluation.
         */
        Precision: "auto" | "f32" | "tf32" | "bf16" | "f16";
        /** @description Where a running attempt is. */
        Progress: {
            /**
             * Format: uint32
             * @description Epochs done.
             */
            epoch: number;
            /**
             * Format: double
             * @description Seconds to the end of the attempt.
             */
            eta_s?: number | null;
            /** Format: double */
            images_per_s?: number | null;
            /** Format: uint32 */
            n_epochs: number;
            /** Format: uint64 */
            n_steps: number;
            /** @description What the trainer is at: `decoding`, `features`, `training`, `validating`, `uploading`. */
            phase: string;
            /**
             * Format: uint64
             * @description Steps done.
             */
            step: number;
            /**
             * Format: double
             * @description Smoothed training loss.
             */
            train_loss?: number | null;
            /**
             * Format: double
             * @description Last validation accuracy in [0, 1].
             */
            val_top1?: number | null;
        };
        Query: {
            /** @description Name of a registered dataset. */
            dataset: string;
            /**
             * @description `json` (the default), `csv` or `md`.
             * @enum {string|null}
             */
            format?: "json" | "csv" | "md" | null;
            /**
             * Format: uint
             * @description Rows shown, 200 unless said otherwise. With `test_top1`, the rows are this many best by validation, and
             *      all that were trained on validation images too and evaluated.
             */
            limit?: number | null;
            /**
             * @description `val_top1` (the default), or `test_top1` where every row shown was evaluated on test.
             * @enum {string|null}
             */
            metric?: "val_top1" | "test_top1" | null;
            /** @description A version of it; the newest if left out. */
            version?: string | null;
        };
        Query2: {
            /** @description Results of this dataset only. */
            dataset?: string | null;
        };
        Query3: {
            /** @description Name of a registered dataset. */
            dataset: string;
        };
        /** @description Which trials go first, how many at once, and when. */
        Queueing: {
            /**
             * Format: date-time
             * @description Trials that have not settled by then are cancelled.
             * @default null
             */
            deadline: string | null;
            /**
             * @description What a machine must have to be handed one of its trials.
             * @default {
             *       "device": null,
             *       "labels": [],
             *       "memory_bytes": null
             *     }
             */
            needs: components["schemas"]["Needs"];
            /**
             * Format: uint32
             * @description Most trials that are handed to workers at once; `null` for no limit.
             * @default null
             */
            parallel: number | null;
            /**
             * Format: int32
             * @description While a sweep of a higher priority has trials waiting, none of a lower one begins. Trials that have begun are
             *      never interrupted for it.
             * @default 0
             */
            priority: number;
            /**
             * Format: date-time
             * @description No trial begins before.
             * @default null
             */
            start_after: string | null;
            /**
             * Format: double
             * @description Sweeps of one priority share the workers in proportion to their weights, counted in trials.
             * @default 1
             */
            weight: number;
        };
        /** @description `POST /api/v1/race`: which of a few configurations are owed another run, and which of them has won. */
        Race: {
            arms: components["schemas"]["RaceArm"][];
            /**
             * Format: double
             * @description Of the winner: 0.95 lets one in twenty be wrong at most.
             */
            confidence: number;
            /**
             * Format: uint32
             * @description Runs of all arms together.
             */
            max_runs: number;
        };
        /** @description Trials of one configuration, in the order of their seeds; none before its first run. */
        RaceArm: {
            name: string;
            trials: string[];
        };
        RacedArm: {
            name: string;
            /** @description Objectives of its runs, up to the first that has not ended; null for one that ended without, which puts its arm out. */
            values: (number | null)[];
        };
        /** @description The answer: how the race stands, and what it was decided on, arms in the order they were asked for. */
        RaceReport: {
            arms: components["schemas"]["RacedArm"][];
            standing: components["schemas"]["Standing"];
        };
        /** @description Whose RandAugment: the two differ in operations, ranges and probabilities. */
        RandConvention: "timm" | "torchvision";
        /**
         * @description `GET /api/v1/sweeps/{id}/recommendation`: the configuration to go on with. The best expected value counts, by a Gaussian process
         *      through the results, not the luckiest single one; with several objectives, what balances them.
         */
        Recommendation: {
            /** @description None while there are no results. */
            config?: components["schemas"]["RecommendedConfig"] | null;
            /**
             * Format: uint
             * @description Configurations with a result.
             */
            n_results: number;
        };
        RecommendedConfig: {
            /** @description For people: what sets it apart. */
            label: string;
            /**
             * Format: double
             * @description Mean of the objective over its seeds, as measured.
             */
            mean: number;
            /** Format: uint32 */
            n_seeds: number;
            /** @description What it lays over the sweep's base. */
            overlay: unknown;
            /** @description Its completed and pruned trials. */
            trials: string[];
        };
        /** @description Rotation about the centre. */
        Rotation: {
            /**
             * Format: double
             * @description The angle is uniform in plus or minus this.
             * @default 0
             */
            degrees: number;
        };
        /** @description `POST /api/v1/tokens/{id}/rotate`: a successor of the same name, scope and lifetime. */
        Rotation2: {
            /**
             * Format: uint64
             * @description Seconds for which the old secret works beside the new one. Zero: it ends at once.
             */
            overlap_s: number;
        };
        /**
         * @description Sharpness-aware minimisation (Foret et al. 2021) around any optimizer: its gradient is taken where the loss
         *      nearby is largest. A step costs two forward and two backward passes.
         */
        Sam: {
            /**
             * @description Distances relative to each weight's size (ASAM, Kwon et al. 2021).
             * @default false
             */
            adaptive: boolean;
            /**
             * Format: double
             * @description How far uphill the gradient is taken.
             * @default 0.05
             */
            rho: number;
        };
        /** @description How training images come into batches. */
        Sampler: {
            /** @constant */
            kind: "shuffle";
        } | {
            /** @constant */
            kind: "class_balanced";
        } | {
            /** Format: uint32 */
            k: number;
            /** @constant */
            kind: "pk";
            /** Format: uint32 */
            p: number;
        };
        /**
         * @description How configurations are drawn. Every proposal is a function of `seed`, its number and what had been
         *      seen by then. All but `grid` need `budget.configs`, and `auto` does where the space is not small.
         */
        Sampler2: {
            /** @constant */
            kind: "auto";
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /** @constant */
            kind: "grid";
        } | {
            /** @constant */
            kind: "random";
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /** @constant */
            kind: "sobol";
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /**
             * @description Divide what a configuration promises by the seconds it is expected to take.
             * @default false
             */
            cost_aware: boolean;
            /** @constant */
            kind: "tpe";
            /**
             * Format: uint32
             * @description Draws from the good density, of which the most promising is proposed.
             * @default 24
             */
            n_candidates: number;
            /**
             * Format: uint32
             * @description Results to wait for before the model is asked.
             * @default 10
             */
            n_startup: number;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /**
             * @description Divide what a configuration promises by the seconds it is expected to take.
             * @default false
             */
            cost_aware: boolean;
            /** @constant */
            kind: "gp";
            /**
             * Format: uint32
             * @description Results to wait for before the model is asked.
             * @default 10
             */
            n_startup: number;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /** @constant */
            kind: "cma_es";
            /**
             * Format: uint32
             * @description Results per generation; by default 4 + 3 ln(parameters).
             * @default null
             */
            population: number | null;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
            /**
             * Format: double
             * @description First step, as a share of each parameter's range.
             * @default 0.25
             */
            sigma: number;
        } | {
            /** @constant */
            kind: "evolution";
            /**
             * Format: uint32
             * @description How many of the youngest results may be parents.
             * @default 20
             */
            population: number;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
            /**
             * Format: uint32
             * @description How many of those compete to be the parent.
             * @default 5
             */
            tournament: number;
        };
        /**
         * @description The learning rate over the run, as a factor of the optimizer's `lr`; stepped every batch. Fractions are of all
         *      steps of the run unless they say otherwise. `warmup_fraction` is spent rising linearly from 0.
         */
        Schedule: {
            /**
             * Format: double
             * @description Each cycle's peak over the last one's.
             * @default 1
             */
            cycle_decay: number;
            /**
             * Format: double
             * @description Each cycle's length over the last one's.
             * @default 1
             */
            cycle_mult: number;
            /**
             * Format: uint32
             * @description Cosines one after another in what the warm-up leaves.
             * @default 1
             */
            cycles: number;
            /**
             * Format: double
             * @default 0
             */
            final_fraction: number;
            /** @constant */
            kind: "cosine";
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        } | {
            /**
             * Format: double
             * @default 0
             */
            final_fraction: number;
            /**
             * Format: double
             * @default 0.75
             */
            flat_fraction: number;
            /** @constant */
            kind: "flat_cosine";
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        } | {
            /**
             * Format: double
             * @default 0.3
             */
            every: number;
            /**
             * Format: double
             * @default 0.1
             */
            gamma: number;
            /** @constant */
            kind: "step";
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        } | {
            /**
             * Format: double
             * @default 0.1
             */
            gamma: number;
            /** @constant */
            kind: "multi_step";
            /**
             * @default [
             *       0.5,
             *       0.75
             *     ]
             */
            milestones: number[];
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        } | {
            /**
             * Format: double
             * @default 0
             */
            final_fraction: number;
            /** @constant */
            kind: "polynomial";
            /**
             * Format: double
             * @default 1
             */
            power: number;
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        } | {
            /** @default true */
            cycle_momentum: boolean;
            /**
             * Format: double
             * @default 25
             */
            div: number;
            /**
             * Format: double
             * @default 10000
             */
            final_div: number;
            /** @constant */
            kind: "one_cycle";
            /**
             * Format: double
             * @default 0.3
             */
            pct_start: number;
        } | {
            /** @constant */
            kind: "constant";
            /**
             * Format: double
             * @default 0
             */
            warmup_fraction: number;
        };
        /**
         * @description What becomes of a sweep's trials while they run, judged by the objective that each reports after every epoch.
         *      Every seed of a configuration is a trial of its own here. All trials train towards the same `fit.epochs`, with
         *      the learning-rate schedule of that full run: one that is stopped has trained the beginning of it.
         */
        Scheduler: {
            /** @constant */
            kind: "none";
        } | {
            /** @constant */
            kind: "median_stop";
            /**
             * Format: uint32
             * @description Epochs that every trial gets.
             * @default 1
             */
            min_epochs: number;
            /**
             * Format: uint32
             * @description Other trials that must have come as far before one is judged.
             * @default 5
             */
            min_trials: number;
        } | {
            /**
             * Format: uint32
             * @description Trials that are compared with each other; by default all of the sweep.
             * @default null
             */
            cohort: number | null;
            /**
             * Format: double
             * @description One in `eta` goes on, `eta` times as far.
             * @default 3
             */
            eta: number;
            /** @constant */
            kind: "successive_halving";
            /**
             * Format: uint32
             * @description The first rung, in epochs; by default a sixteenth of `fit.epochs`, at least one.
             * @default null
             */
            min_epochs: number | null;
        } | {
            /**
             * Format: double
             * @description One in `eta` goes on, `eta` times as far.
             * @default 3
             */
            eta: number;
            /** @constant */
            kind: "asha";
            /**
             * Format: uint32
             * @description The first rung, in epochs; by default a sixteenth of `fit.epochs`, at least one.
             * @default null
             */
            min_epochs: number | null;
        } | {
            /**
             * Format: double
             * @description One in `eta` goes on, `eta` times as far.
             * @default 3
             */
            eta: number;
            /** @constant */
            kind: "hyperband";
            /**
             * Format: uint32
             * @description No trial is compared before so many epochs; by default a sixteenth of `fit.epochs`, at least one.
             * @default null
             */
            min_epochs: number | null;
        } | {
            /**
             * Format: double
             * @description A hyperparameter is multiplied or divided by this.
             * @default 1.2
             */
            factor: number;
            /**
             * Format: uint32
             * @description Epochs between two comparisons.
             * @default 1
             */
            interval: number;
            /** @constant */
            kind: "pbt";
            /**
             * Format: double
             * @description Share of the population that is replaced, and share that is copied.
             * @default 0.2
             */
            quantile: number;
            /**
             * Format: double
             * @description Probability that a hyperparameter is drawn anew instead.
             * @default 0.25
             */
            resample: number;
            /**
             * Format: uint64
             * @default 0
             */
            seed: number;
        } | {
            /**
             * Format: double
             * @description Probability that a trial's end lies below its upper bound. Extrapolations are checked against finished
             *      trials; with fewer than confidence / (1 - confidence) of them nothing is stopped.
             * @default 0.9
             */
            confidence: number;
            /** @constant */
            kind: "curve_stop";
            /**
             * Format: uint32
             * @description Epochs that every trial gets; a curve is fitted to no fewer.
             * @default 5
             */
            min_epochs: number;
        };
        /** @description What a token may do; each includes the ones before it, but `worker` stands alone. */
        Scope: "viewer" | "submitter" | "worker" | "admin";
        Select: "last" | "best";
        /**
         * @description Which epoch a published number is from.
         * @enum {string}
         */
        Selection: "last" | "best_on_test" | "unknown";
        /** @description `GET /api/v1/trials/{id}/series?metric=` */
        Series: {
            metric: string;
            points: components["schemas"]["SeriesPoint"][];
        };
        SeriesPoint: {
            /**
             * Format: double
             * @description Passes over the training set, fractional between epochs.
             */
            epoch: number;
            /** Format: uint64 */
            step: number;
            value: number | ("NaN" | "Infinity" | "-Infinity");
        };
        /** @description `GET /api/v1/session` */
        SessionView: {
            /** Format: uint32 */
            protocol_version: number;
            scope: components["schemas"]["Scope"];
            server_version: string;
        };
        Slope: {
            /** @description The smallest budget run already reached it: the true ratio may be larger. */
            at_least: boolean;
            /** Format: double */
            high: number;
            /**
             * Format: double
             * @description 95% interval over resampled groups and seeds. Budgets are discrete, so it moves in steps.
             */
            low: number;
            /**
             * Format: double
             * @description Epochs of the random arm's best budget over those of the smallest pretrained budget that reaches it.
             */
            ratio: number;
            /** @description False: never reached within the budgets run, and the true ratio is below `ratio`. */
            reached: boolean;
        };
        /** @description A published result. */
        SotaEntry: {
            /** @default  */
            backbone: string;
            /** @description `read` in the paper, or `secondary`: quoted elsewhere. */
            confidence: components["schemas"]["Confidence"];
            dataset: string;
            /** @default  */
            extra_data: string;
            method: string;
            /** @description What the paper averaged: `top1` or `mean_per_class`. */
            metric: components["schemas"]["SotaMetric"];
            /**
             * Format: uint32
             * @default null
             */
            resolution: number | null;
            selection: components["schemas"]["Selection"];
            /** @default  */
            source: string;
            /**
             * Format: double
             * @description Standard deviation over runs, as a fraction.
             * @default null
             */
            std: number | null;
            /**
             * Format: double
             * @description Fraction in [0, 1].
             */
            value: number;
            /**
             * Format: uint32
             * @default null
             */
            year: number | null;
        };
        /** @enum {string} */
        SotaMetric: "top1" | "mean_per_class";
        /** @description Where images came from and what may be done with them. */
        Source: {
            /** @description SPDX identifier where there is one. */
            licence: string;
            /** Format: uint64 */
            n_images: number;
            name: string;
            /** @default  */
            url: string;
        };
        /** @enum {string} */
        Split: "train" | "val" | "test";
        /** @description Arms by their names. */
        Standing: {
            /** @constant */
            kind: "running";
            next: string[];
        } | {
            /** @constant */
            kind: "separated";
            winner: string;
        } | {
            /** @constant */
            kind: "undecided";
            leader: string;
            rivals: string[];
        } | {
            /** @constant */
            kind: "all_failed";
        };
        /** @description What a sweep has taken so far, and what is left by its own settled trials; in seconds of one worker. */
        SweepBudget: {
            /** @description Until the last trial is settled, with as many workers as train it now; `null` while none does. */
            finish_s?: components["schemas"]["Interval"] | null;
            /** @description `null` while no trial has ended well. */
            left_s?: components["schemas"]["Interval"] | null;
            /**
             * Format: double
             * @description Of all attempts, those too that failed or were lost.
             */
            spent_s: number;
        };
        /** @description `GET /api/v1/sweeps/{id}` */
        SweepDetail: {
            /**
             * @description What it has taken, and what is left.
             * @default {
             *       "finish_s": null,
             *       "left_s": null,
             *       "spent_s": 0
             *     }
             */
            budget: components["schemas"]["SweepBudget"];
            spec: components["schemas"]["SweepSpec"];
            sweep: components["schemas"]["SweepView"];
        };
        /**
         * @description `POST /api/v1/sweeps/estimate`: what a sweep would take, by completed trials with the same backbone, adaptation and
         *      resolution, on the same dataset version where there are any.
         */
        SweepEstimate: {
            /** @description Until the last trial is settled, were these workers to do nothing else; `null` where there are none. */
            finish_s?: components["schemas"]["Interval"] | null;
            /**
             * Format: uint64
             * @description Completed trials it is estimated from.
             */
            n_measured: number;
            /** Format: uint64 */
            n_trials: number;
            /**
             * Format: uint64
             * @description Workers that are there today.
             */
            n_workers: number;
            /** @description Seconds of training in all, by one worker; `null` where something was never measured. */
            training_s?: components["schemas"]["Interval"] | null;
            /** @description What no completed trial tells of. */
            unmeasured: string[];
        };
        /** @description `POST /api/v1/sweeps/preview` */
        SweepPreview: {
            /**
             * Format: uint64
             * @description Configurations the sampler will draw.
             */
            n_configs: number;
            /**
             * Format: uint64
             * @description Times the seeds.
             */
            n_trials: number;
            /** @description The first few, as what they change in the base; of a sampler that learns, as if nothing were learnt. */
            samples: unknown[];
            /**
             * Format: uint64
             * @description Points of the space; `null` where it holds a continuous distribution.
             */
            space_size?: number | null;
        };
        /** @description What `cultivar sweep submit` sends. */
        SweepSpec: {
            /** @description Costs that are to be low beside a good objective: the sampler then looks for the best compromises. */
            against?: components["schemas"]["CostMetric"][];
            /**
             * @description A trial spec; fields left out take their defaults.
             * @default {}
             */
            base: unknown;
            /**
             * @default {
             *       "configs": null
             *     }
             */
            budget: components["schemas"]["Budget"];
            /**
             * @description Combinations that are never tried. Each is a space of its own, with the same nodes: a configuration
             *      is forbidden where it lies inside every field that the entry names.
             */
            forbid?: unknown[];
            /** @description Other sweeps, on this dataset or another, whose earlier results the sampler learns from where they lie inside `space`. */
            learn_from?: string[];
            name: string;
            /**
             * @description How it shares the workers with other sweeps.
             * @default {
             *       "deadline": null,
             *       "needs": {
             *         "device": null,
             *         "labels": [],
             *         "memory_bytes": null
             *       },
             *       "parallel": null,
             *       "priority": 0,
             *       "start_after": null,
             *       "weight": 1
             *     }
             */
            queueing: components["schemas"]["Queueing"];
            /**
             * @default {
             *       "kind": "auto",
             *       "seed": 0
             *     }
             */
            sampler: components["schemas"]["Sampler2"];
            /**
             * @description Which trials stop before their end.
             * @default {
             *       "kind": "none"
             *     }
             */
            scheduler: components["schemas"]["Scheduler"];
            /**
             * @description Every configuration is trained once with each of these, unless the space gives it a `fit.seed`
             *      of its own.
             * @default [
             *       0
             *     ]
             */
            seeds: number[];
            /**
             * @description What varies: see `crate::space`. Laid over `base`, field by field.
             * @default {}
             */
            space: unknown;
            /** @description Known good points of `space`, tried first in this order. Each gives a value to all that varies. */
            warm_start?: unknown[];
        };
        /** @description `GET /api/v1/sweeps` */
        SweepView: {
            /** Format: date-time */
            cancelled_at?: string | null;
            /** @description Trials by state; states without trials are left out. */
            counts: {
                [key: string]: number;
            };
            /** Format: date-time */
            created_at: string;
            dataset: string;
            /** @description Every trial is settled, and no more will come. */
            finished: boolean;
            /** Format: uuid */
            id: string;
            /**
             * Format: uint64
             * @description Trials it will have in all: more than so far while its sampler still proposes.
             */
            n_planned: number;
            /**
             * Format: uint64
             * @description Trials so far.
             */
            n_trials: number;
            name: string;
            /**
             * Format: date-time
             * @description No trial begins while it is set.
             */
            paused_at?: string | null;
            /** @description As it stands today; it may have been changed since the sweep was submitted. */
            queueing: components["schemas"]["Queueing"];
            /** @description Why the search ended before its budget, if it did. */
            search_note?: string | null;
            /** @description Its sampler learns from results and will propose more. */
            searching: boolean;
        };
        /** @description The kind of labels. */
        Task: {
            /** @constant */
            kind: "single_label";
        } | {
            /** @constant */
            kind: "external";
            /**
             * @description Handed to that code as they are.
             * @default {}
             */
            params: {
                [key: string]: unknown;
            };
        };
        /** @description What a token is for. */
        TokenKind: "access" | "enrolment";
        /** @description A token without its secret. */
        TokenView: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at?: string | null;
            /** Format: uuid */
            id: string;
            kind: components["schemas"]["TokenKind"];
            /** Format: date-time */
            last_used_at?: string | null;
            name: string;
            /**
             * Format: uuid
             * @description The token it took over from, if it came from a rotation.
             */
            replaces?: string | null;
            /** Format: date-time */
            revoked_at?: string | null;
            scope: components["schemas"]["Scope"];
            /**
             * Format: uuid
             * @description The only worker it is good for, if it came from an enrolment.
             */
            worker?: string | null;
        };
        TrainOn: "train" | "train_val";
        /** @description One arm at one budget, at the lr that validation chose. */
        TransferArm: {
            config_id: string;
            /** Format: uint32 */
            epochs: number;
            /** Format: double */
            lr: number;
            /** @description Learning rates tried at this budget. */
            lrs_tried: number[];
            test_top1?: components["schemas"]["Estimate"] | null;
            trials: string[];
            val_top1: components["schemas"]["Estimate"];
        };
        /** @description `GET /api/v1/transfer?dataset=`: the three benefits of transfer, from matched arms. */
        TransferReport: {
            dataset: string;
            /** @description What is missing for a verdict, in sentences. */
            notes: string[];
            /** @description Matched families of trials, most trials first: same spec but for weights, lr, epochs and seed. */
            studies: components["schemas"]["TransferStudy"][];
        };
        /** @description One family of full fine-tuning runs, pretrained against random. */
        TransferStudy: {
            /** @description Pretrained minus random at the longest budget both have. */
            asymptote?: components["schemas"]["Asymptote"] | null;
            backbone: string;
            /** @description What all runs share, in a few words. */
            label: string;
            /** @description `val_top1`, or `test_top1` where every chosen run was evaluated on test. */
            metric: string;
            pretrained: components["schemas"]["TransferArm"][];
            random: components["schemas"]["TransferArm"][];
            /** @description Epochs the random arm's best took over the epochs at which pretrained reaches it. */
            slope?: components["schemas"]["Slope"] | null;
            /** @description Converged linear head on the frozen backbone, pretrained minus random. */
            start?: components["schemas"]["Estimate"] | null;
        };
        /** @description `GET /api/v1/trials/{id}` */
        TrialDetail: {
            attempts: components["schemas"]["AttemptView"][];
            cost?: components["schemas"]["Cost"] | null;
            evaluations: components["schemas"]["EvaluationView"][];
            /** @description The accepted result's artifacts. */
            model?: string | null;
            predictions?: string | null;
            /** @description As resolved at submission: every default written out, versions pinned. */
            spec: components["schemas"]["TrialSpec"];
            trial: components["schemas"]["TrialView"];
        };
        /** @description `GET /api/v1/trials` */
        TrialPage: {
            /** @description Pass as `cursor` for the next page; `null` at the end. */
            next_cursor?: string | null;
            trials: components["schemas"]["TrialView"][];
        };
        /** @description One training run. */
        TrialSpec: {
            /**
             * @default {
             *       "freeze_bn": false,
             *       "head_lr_mult": 1,
             *       "layer_decay": 1,
             *       "mode": "full"
             *     }
             */
            adaptation: components["schemas"]["Adaptation"];
            /**
             * @description Left out: none under `head_only`, else random resized crop and horizontal flip.
             * @default null
             */
            augment: components["schemas"]["Augment"] | null;
            /**
             * @default {
             *       "activation": "native",
             *       "drop_path": 0,
             *       "dropout": 0,
             *       "head": {
             *         "hidden": null
             *       },
             *       "name": "efficientnet_lite0",
             *       "weights": "pretrained",
             *       "weights_sha256": null
             *     }
             */
            backbone: components["schemas"]["Backbone"];
            /**
             * @default {
             *       "dataset": "",
             *       "sampler": {
             *         "kind": "shuffle"
             *       },
             *       "split_seed": 0,
             *       "train_fraction": 1,
             *       "train_on": "train",
             *       "version": null
             *     }
             */
            data: components["schemas"]["Data"];
            /**
             * @default {
             *       "accumulation": 1,
             *       "batch_size": 64,
             *       "deterministic": false,
             *       "ema": null,
             *       "epochs": 10,
             *       "eval_resolution": null,
             *       "eval_weights": null,
             *       "phases": [],
             *       "precision": "auto",
             *       "resolution": 224,
             *       "seed": 0,
             *       "select": "last"
             *     }
             */
            fit: components["schemas"]["Fit"];
            /**
             * @default {
             *       "crop_pct": null,
             *       "interpolation": null,
             *       "mean": null,
             *       "std": null,
             *       "tta": "none"
             *     }
             */
            input: components["schemas"]["Input"];
            /**
             * @default {
             *       "kind": "cross_entropy",
             *       "metric": {
             *         "kind": "none"
             *       },
             *       "smoothing": 0
             *     }
             */
            loss: components["schemas"]["Loss"];
            /**
             * @default {
             *       "direction": "maximize",
             *       "metric": "val_top1"
             *     }
             */
            objective: components["schemas"]["Objective"];
            /**
             * @default {
             *       "betas": [
             *         0.9,
             *         0.999
             *       ],
             *       "clip": null,
             *       "eps": 1e-8,
             *       "kind": "adamw",
             *       "lr": 0.001,
             *       "sam": null,
             *       "weight_decay": 0.01
             *     }
             */
            optimizer: components["schemas"]["Optimizer"];
            /**
             * @default {
             *       "cycle_decay": 1,
             *       "cycle_mult": 1,
             *       "cycles": 1,
             *       "final_fraction": 0,
             *       "kind": "cosine",
             *       "warmup_fraction": 0.1
             *     }
             */
            schedule: components["schemas"]["Schedule"];
            /**
             * @default {
             *       "kind": "single_label"
             *     }
             */
            task: components["schemas"]["Task"];
        };
        /** @description Where a trial stands. */
        TrialState: ("queued" | "running" | "completed" | "pruned" | "failed" | "cancelled") | "paused";
        /** @description One row of `GET /api/v1/trials`. */
        TrialView: {
            config_id: string;
            /** Format: date-time */
            created_at: string;
            dataset: string;
            /** @description Why the last attempt failed. */
            error?: string | null;
            /** Format: date-time */
            finished_at?: string | null;
            /** Format: uuid */
            id: string;
            /** @description A short name made of what varies. */
            label: string;
            /** @description Final values of the accepted result, by metric name; non-finite ones are left out. */
            metrics: {
                [key: string]: number;
            };
            /**
             * Format: uint32
             * @description Attempts so far.
             */
            n_attempts: number;
            /** @description The running attempt's latest word. */
            progress?: components["schemas"]["Progress"] | null;
            /** Format: uint64 */
            seed: number;
            /** Format: date-time */
            started_at?: string | null;
            state: components["schemas"]["TrialState"];
            /** Format: uuid */
            sweep?: string | null;
        };
        /** @description Test-time augmentation: an image's logits are the mean of its views' logits. */
        Tta: "none" | "flip" | "multi_crop";
        /** @description `GET /api/v1/artifacts/{sha256}/upload`: where an upload stands. */
        UploadView: {
            /** @description The artifact is here, whole; nothing is to be sent. */
            is_stored: boolean;
            /**
             * Format: uint64
             * @description Bytes that are here. A `PUT` with `Content-Range` goes on from there.
             */
            n_received: number;
        };
        /** @description A share of the forest's variance over the space, and its standard deviation over the trees. */
        VarianceShare: {
            /** Format: double */
            deviation: number;
            /** Format: double */
            mean: number;
        };
        /** @description What is wanted of an external trial. */
        Verdict: {
            order: components["schemas"]["Order"];
            /** @description It should end now: as `pruned`, `cancelled` or, where it is to go on later, `yielded`. */
            stop: boolean;
        };
        /** @description One thing wrong with a document. */
        Violation: {
            /** @description What would be right. */
            expected: string;
            /** @description JSON pointer (RFC 6901) to the value. */
            pointer: string;
            /** @description The value found there; `null` where nothing was. A large one in a few words. */
            value: unknown;
        };
        /** @description `POST /api/v1/weights`: makes an artifact the `pretrained` weights of a backbone. */
        WeightsEntry: {
            /** @description timm's model name. */
            backbone: string;
            /** Format: double */
            crop_pct: number;
            interpolation: components["schemas"]["Interpolation"];
            /** @default  */
            licence: string;
            /** @description Input convention of the checkpoint. */
            mean: number[];
            /** @description A safetensors artifact under timm's parameter names. */
            sha256: string;
            /** @default  */
            source: string;
            std: number[];
        };
        /** @description Who is calling. */
        WorkerIdentity: {
            /** Format: uuid */
            boot: string;
            device: components["schemas"]["DeviceInfo"];
            /** Format: uuid */
            id: string;
            /** @description For people: usually the host name. */
            name: string;
            version: string;
        };
        /** @description One entry of `GET /api/v1/workers`. */
        WorkerView: {
            device: components["schemas"]["DeviceInfo"];
            /** Format: uuid */
            id: string;
            name: string;
            /** @description Heard of within the length of a lease. */
            online: boolean;
            /** @description Why. */
            quarantine_reason?: string | null;
            /**
             * Format: date-time
             * @description Since when it gets no leases; somebody has to release it.
             */
            quarantined_at?: string | null;
            /**
             * Format: date-time
             * @description When it last sent a heartbeat or claimed.
             */
            seen_at: string;
            /** @description Trials it holds leases of. */
            trials: string[];
            version: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
