/**
 * operatorPort: what an operator's machines ask by HTTP: `/metrics` (Prometheus text), `/healthz` (alive) and `/readyz`
 * (new connections may be sent here), clause. It tells figures and states only, and takes nothing: who can reach
 * the port can read them, so it listens where `--metrics` says and nowhere else. It listens before anything else is
 * begun: what is taken is found out while nobody is in yet, and a start that takes long is seen.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { type MetricsJson, exposition } from "./metrics.ts";

/** What is told; of one process, or of a primary and its workers as a whole. */
export interface OperatorView {
  /** Null: there are none yet. */
  metrics(): Promise<{ contentType: string; text: string } | null>;
  /** Null when it is alive, else why not. */
  whyNotAlive(): Promise<string | null>;
  /** Null when new connections may come, else why not. */
  whyNotReady(): Promise<string | null>;
}

/** What one serving process tells. */
export interface ProcessView {
  /** Empty where metrics were not asked for. */
  metrics(): Promise<MetricsJson>;
  whyNotReady(): Promise<string | null>;
}

/** The view of a server that is one process. */
export function viewOfOne(own: ProcessView): OperatorView {
  return {
    metrics: async () => exposition([await own.metrics()]),
    // Whoever answers is alive; one whose event loop hangs does not answer.
    whyNotAlive: () => Promise.resolve(null),
    whyNotReady: () => own.whyNotReady(),
  };
}

/** Before there is anything to look at. */
const starting: OperatorView = {
  metrics: () => Promise.resolve(null),
  whyNotAlive: () => Promise.resolve(null),
  whyNotReady: () => Promise.resolve("starting"),
};

export interface OperatorAddress {
  host: string;
  /** 0: a free one. */
  port: number;
}

interface Reply {
  status: number;
  contentType: string;
  text: string;
}

const plain = "text/plain; charset=utf-8";

/** The port of `--metrics`. */
export class OperatorPort {
  readonly #server: Server;
  readonly #journal: Journal;
  #view = starting;

  constructor(journal: Journal) {
    this.#journal = journal;
    const settings = {
      headersTimeout: limits.operatorRequestDeadlineMs,
      requestTimeout: limits.operatorRequestDeadlineMs,
      keepAliveTimeout: limits.operatorRequestDeadlineMs,
      maxHeaderSize: limits.operatorHeaderMaxBytes,
    };
    this.#server = createServer(settings, (request, response) => {
      void answer(this.#view, request, response, journal);
    });
    this.#server.maxConnections = limits.operatorConnectionsMax;
  }

  /** Listens; the port. Throws an Error of one line when it cannot. */
  async listen({ host, port }: OperatorAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const isTaken = error.code === "EADDRINUSE";
        const advice = isTaken ? "it is taken; give another port" : `cannot listen (${reasonOf(error)})`;
        reject(new Error(`--metrics ${host}:${port}: ${advice}`, { cause: error }));
      });
      // A worker that listens would share the port with the others, and each scrape would find another one.
      this.#server.listen({ host, port, exclusive: true }, resolve);
    });
    this.#server.on("error", (error) =>
      this.#journal.write("operator_port_failed", { reason: reasonOf(error) }),
    );
    const address = this.#server.address();
    const taken = typeof address === "object" && address ? address.port : port;
    this.#journal.write("operator_port", { host, port: taken });
    return taken;
  }

  /** From now on it tells of this. */
  show(view: OperatorView): void {
    this.#view = view;
  }

  /** No more answers. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function answer(
  view: OperatorView,
  request: IncomingMessage,
  response: ServerResponse,
  journal: Journal,
): Promise<void> {
  let reply: Reply;
  try {
    reply = await replyTo(view, request);
  } catch (error) {
    journal.write("operator_port_failed", { reason: reasonOf(error) });
    reply = { status: 500, contentType: plain, text: "failed\n" };
  }
  response.writeHead(reply.status, {
    "content-type": reply.contentType,
    "content-length": Buffer.byteLength(reply.text),
    "cache-control": "no-store",
    ...(reply.status === 405 && { allow: "GET, HEAD" }),
  });
  response.end(request.method === "HEAD" ? "" : reply.text);
}

async function replyTo(view: OperatorView, { method, url = "" }: IncomingMessage): Promise<Reply> {
  if (method !== "GET" && method !== "HEAD") return { status: 405, contentType: plain, text: "wanted GET\n" };
  switch (url.split("?")[0]) {
    case "/metrics":
      return metricsReply(await view.metrics());
    case "/healthz":
      return stateReply(await view.whyNotAlive());
    case "/readyz":
      return stateReply(await view.whyNotReady());
    default:
      return { status: 404, contentType: plain, text: "wanted /metrics, /healthz or /readyz\n" };
  }
}

function metricsReply(metrics: { contentType: string; text: string } | null): Reply {
  return metrics ? { status: 200, ...metrics } : { status: 503, contentType: plain, text: "starting\n" };
}

function stateReply(why: string | null): Reply {
  return { status: why === null ? 200 : 503, contentType: plain, text: `${why ?? "ok"}\n` };
}
