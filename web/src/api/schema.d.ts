// Generated from openapi.json by `npm run api`; edits are lost.

export interface paths {
    "/api/v1/artifacts/{sha256}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Download an artifact */
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
        /** Store an artifact; the body must hash to its name */
        put: {
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
                /** @description `PUT /api/v1/artifacts/{sha256}` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ArtifactView"];
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
                header?: never;
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
                    format?: string | null;
                    /** @description Rows shown, 200 unless said otherwise. With `test_top1`, the rows are this many best by validation. */
                    limit?: number | null;
                    /** @description `val_top1` (the default), or `test_top1` where every row shown was evaluated on test. */
                    metric?: string | null;
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
                    /** @description Makes the request replayable: the same key and body get the same answer once more. */
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
                    /** @description Makes the request replayable: the same key and body get the same answer once more. */
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
                    /** @description Makes the request replayable: the same key and body get the same answer once more. */
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
                    /** @description Makes the request replayable: the same key and body get the same answer once more. */
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
        /** Log lines of every attempt, as text */
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
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The nonlinearity, swapped in wherever the backbone has its own. */
        Activation: ("relu" | "gelu" | "hard_swish") | "native" | "leaky_relu" | "swish" | "mish";
        /** @description How much of the network is trained. */
        Adaptation: {
            /** @constant */
            mode: "head_only";
        } | {
            /**
             * Format: double
             * @description The head's learning rate over the backbone's.
             * @default 1
             */
            head_lr_mult: number;
            /** @constant */
            mode: "full";
        };
        /** @description `PUT /api/v1/artifacts/{sha256}` */
        ArtifactView: {
            /** Format: uint64 */
            n_bytes: number;
            sha256: string;
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
        /** @description Training-time augmentation, applied to whole batches on the device. */
        Augment: {
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
             * @description Dropout before the classifier.
             * @default 0
             */
            dropout: number;
            /**
             * @description timm's model name; see `crate::backbones`.
             * @default efficientnet_lite0
             */
            name: string;
            /**
             * @description pretrained, random, artifact:SHA256 or trial:ID
             * @default pretrained
             */
            weights: string;
            /**
             * @description SHA-256 of the weights file, pinned at submission. Absent for random weights.
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
             * Format: uint32
             * @description Most leases wanted.
             */
            max: number;
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
        };
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
        /** @description Which images train and which validate. */
        Data: {
            /**
             * @description Name of a registered dataset.
             * @default
             */
            dataset: string;
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
        /** @description The body of every answer that is not a 2xx. */
        ErrorBody: {
            /**
             * @description A stable word for programs: `invalid`, `not_found`, `unauthorized`, `forbidden`,
             *      `conflict`, `superseded`, `too_large`, `unavailable`, `internal`.
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
             *       "precision": "",
             *       "seconds": 0
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
        /** @description Length, batch size, resolution and seed of the run. */
        Fit: {
            /**
             * Format: uint32
             * @default 64
             */
            batch_size: number;
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
        /** @description `POST /api/v1/heartbeats`: renews exactly the leases it lists. */
        Heartbeat: {
            leases: string[];
            worker: components["schemas"]["WorkerIdentity"];
        };
        HeartbeatReply: {
            /** @description One order for each listed lease. */
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
        };
        /** @enum {string} */
        Interpolation: "bilinear" | "bicubic";
        /** @description What to do. Everything it names is an artifact of the server. */
        Job: {
            dataset: components["schemas"]["DatasetFiles"];
            /** @constant */
            kind: "train";
            /** @description Where an earlier attempt got to. */
            resume?: components["schemas"]["CheckpointRef"] | null;
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
        /** @description The training loss, averaged over the batch. */
        Loss: {
            /** @constant */
            kind: "cross_entropy";
            /**
             * Format: double
             * @description Label smoothing (Szegedy et al. 2016): this much of the label mass is spread evenly over all classes.
             * @default 0
             */
            smoothing: number;
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
        /** @description Mixing of two images of a batch and their labels. */
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
            /** @description A trial spec; fields left out take their defaults. */
            spec: unknown;
        };
        /** @description The number a sweep optimises, always measured on validation. */
        Objective: {
            /** @default maximize */
            direction: components["schemas"]["Direction"];
            /** @default val_top1 */
            metric: components["schemas"]["ObjectiveMetric"];
        };
        /** @enum {string} */
        ObjectiveMetric: "val_top1" | "val_mean_per_class" | "val_loss";
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
             * Format: double
             * @default 0.01
             */
            weight_decay: number;
        };
        /** @description What the server wants of a running lease. */
        Order: ("continue" | "cancel" | "prune") | "yield" | "unknown";
        /** @description How an attempt ended. */
        Outcome: ("completed" | "pruned" | "cancelled" | "out_of_memory") | "yielded" | "preempted" | "lost" | "stalled" | "diverged" | "crashed" | "worker_fault" | "bad_input";
        /** @description `POST /api/v1/sweeps/{id}/pause` */
        PauseSweep: {
            /**
             * @description Let running trials run to their end; otherwise they give way at their next step, with a checkpoint.
             * @default false
             */
            drain: boolean;
        };
        Precision: "auto" | "f32";
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
            /** @description `json` (the default), `csv` or `md`. */
            format?: string | null;
            /**
             * Format: uint
             * @description Rows shown, 200 unless said otherwise. With `test_top1`, the rows are this many best by validation.
             */
            limit?: number | null;
            /** @description `val_top1` (the default), or `test_top1` where every row shown was evaluated on test. */
            metric?: string | null;
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
        /**
         * @description How configurations are drawn. Every proposal is a function of `seed`, its number and what had been
         *      seen by then. All but `grid` need `budget.configs`, and `auto` does where the space is not small.
         */
        Sampler: {
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
        /** @description The learning rate over the run, as a factor of the optimizer's `lr`; stepped every batch. */
        Schedule: {
            /**
             * Format: double
             * @default 0
             */
            final_fraction: number;
            /** @constant */
            kind: "cosine";
            /**
             * Format: double
             * @description Share of all steps spent warming up from 0.
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
        /** @description What a token may do; each includes the ones before it, but `worker` stands alone. */
        Scope: "viewer" | "submitter" | "worker" | "admin";
        Select: "last";
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
        /** @description `GET /api/v1/sweeps/{id}` */
        SweepDetail: {
            spec: components["schemas"]["SweepSpec"];
            sweep: components["schemas"]["SweepView"];
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
            name: string;
            /**
             * @description How it shares the workers with other sweeps.
             * @default {
             *       "deadline": null,
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
            sampler: components["schemas"]["Sampler"];
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
        };
        /** @description A token without its secret. */
        TokenView: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at?: string | null;
            /** Format: uuid */
            id: string;
            /** Format: date-time */
            last_used_at?: string | null;
            name: string;
            /** Format: date-time */
            revoked_at?: string | null;
            scope: components["schemas"]["Scope"];
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
             *       "head_lr_mult": 1,
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
             *       "name": "efficientnet_lite0",
             *       "weights": "pretrained",
             *       "weights_sha256": null
             *     }
             */
            backbone: components["schemas"]["Backbone"];
            /**
             * @default {
             *       "dataset": "",
             *       "split_seed": 0,
             *       "train_fraction": 1,
             *       "train_on": "train",
             *       "version": null
             *     }
             */
            data: components["schemas"]["Data"];
            /**
             * @default {
             *       "batch_size": 64,
             *       "epochs": 10,
             *       "eval_resolution": null,
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
             *       "std": null
             *     }
             */
            input: components["schemas"]["Input"];
            /**
             * @default {
             *       "kind": "cross_entropy",
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
             *       "weight_decay": 0.01
             *     }
             */
            optimizer: components["schemas"]["Optimizer"];
            /**
             * @default {
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
        /** @description One thing wrong with a document. */
        Violation: {
            /** @description What would be right. */
            expected: string;
            /** @description JSON pointer (RFC 6901) to the value. */
            pointer: string;
            /** @description The value found there; `null` where nothing was. */
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
