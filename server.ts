#!/usr/bin/env -S sh -c 'exec node --import "$(dirname "$(realpath "$0")")/node_modules/tsx/dist/loader.mjs" "$0" "$@"'
/**
 * server: flags -> parts -> listen -> drain on SIGTERM. The only place where parts are made and joined; no logic.
 * Run it with `npm start` or `./server.ts`.
 */
import { realpathSync } from "node:fs";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { Appender } from "./lib/appender.ts";
import { type Clock, delay, systemClock } from "./lib/clock.ts";
import { CursorDao } from "./lib/cursorDao.ts";
import { doctorTexts } from "./lib/doctorTexts.ts";
import { linesOf, lookAtMachine, lookAtRedis } from "./lib/doctor.ts";
import { Doorbell } from "./lib/doorbell.ts";
import { FiguresBoard } from "./lib/figures.ts";
import { Follow } from "./lib/follow.ts";
import { type Journal, createJournal, reasonOf } from "./lib/journal.ts";
import { LastSeen } from "./lib/lastSeen.ts";
import { stopNowDeadlineMs } from "./lib/limits.ts";
import { LoginDao } from "./lib/loginDao.ts";
import { Listener, tryAddress } from "./lib/listener.ts";
import { mendPasswords } from "./lib/mend.ts";
import { type Gauges, Meter } from "./lib/meter.ts";
import { openMetrics } from "./lib/metrics.ts";
import { newNodeName } from "./lib/nodeName.ts";
import { NodesDao } from "./lib/nodesDao.ts";
import { OperatorPort, type OperatorView, type ProcessView, viewOfOne } from "./lib/operatorPort.ts";
import { type ArgonCost, PasswordHasher } from "./lib/password.ts";
import { PresenceBoard } from "./lib/presence.ts";
import { PresenceDao } from "./lib/presenceDao.ts";
import { TrustedProxies } from "./lib/proxied.ts";
import { type Outlet, outletOf } from "./lib/outlet.ts";
import { Processor } from "./lib/processor.ts";
import { ReceiptDao } from "./lib/receiptDao.ts";
import { Receipts } from "./lib/receipts.ts";
import { type RedisStore, connectRedis } from "./lib/redis.ts";
import { RedisUnreachable } from "./lib/redisAdvice.ts";
import { type PrivateRedis, openPrivateRedis, runningRedisOf } from "./lib/redisServer.ts";
import { socketAddress } from "./lib/redisUrl.ts";
import { type ServerFlags, parseServerArgs, serverUsage } from "./lib/serverFlags.ts";
import { SmsDao } from "./lib/smsDao.ts";
import { SmsProcess } from "./lib/smsProcess.ts";
import { ThrottleDao } from "./lib/throttleDao.ts";
import { type StopHandlers, onStopSignal } from "./lib/stopSignals.ts";
import { TokenDao } from "./lib/tokenDao.ts";
import { TopScreen } from "./lib/top.ts";
import { UserDao } from "./lib/userDao.ts";
import { UserMgr } from "./lib/userMgr.ts";
import { UserProcess, legacyDevice } from "./lib/userProcess.ts";
import { WhyProcess } from "./lib/whyProcess.ts";
import { type Assignment, PrimaryLink, assignmentOf } from "./lib/worker.ts";
import { Workers } from "./lib/workers.ts";

export interface ServerOptions extends ServerFlags {
  /** Its name among all nodes, exactly; absent: one that begins with `node`. */
  nodeName?: string;
  clock?: Clock;
  journal?: Journal;
  argon?: ArgonCost;
}

export interface RunningServer {
  port: number;
  /** Drains: says goodbye, stores cursors, ends Redis where it is ours. */
  close(): Promise<void>;
  /** Ends Redis where it is ours, and nothing else: for a process that ends at once. */
  abandon(): Promise<void>;
}

/** A server in one process. */
interface ServingProcess extends RunningServer {
  view: ProcessView;
}

/** Makes the parts, joins them, listens. Throws an Error of one line when it cannot. */
export async function startServer(options: ServerOptions): Promise<ServingProcess> {
  const { clock = systemClock } = options;
  const node = options.nodeName ?? newNodeName(options.node ?? undefined);
  const journal = options.journal ?? createJournal(node, outletOf(process.stderr));
  const meter = new Meter();
  const privateRedis =
    options.redis === null ? await openPrivateRedis(options.data, { journal, clock }) : null;
  try {
    const store = await connectStore(options, privateRedis, { journal, clock, meter });
    return await joinParts({ ...options, clock, node, journal, meter }, store, privateRedis);
  } catch (error) {
    // Who cannot serve leaves no redis-server behind.
    await privateRedis?.close();
    throw error;
  }
}

/** What a process of its own is started with. */
interface ProcessOptions extends ServerFlags {
  nodeName: string;
  journal: Journal;
}

/** A server of one process. */
function startAlone(options: ProcessOptions): Promise<RunningServer> {
  return withOperatorPort(options, async () => {
    const server = await startServer(options);
    return { server, view: viewOfOne(server.view) };
  });
}

/** The process that serves nobody, and keeps those that do. */
async function startPrimary(options: ProcessOptions): Promise<{ server: RunningServer; view: OperatorView }> {
  const clock = systemClock;
  const { journal, metrics, workers: count } = options;
  const privateRedis =
    options.redis === null ? await openPrivateRedis(options.data, { journal, clock }) : null;
  const redis = privateRedis && privateRedis.socketPath;
  const workers = new Workers({ count, redis, withMetrics: metrics !== null, clock, journal });
  const close = async (): Promise<void> => {
    await workers.close();
    await privateRedis?.close();
    journal.write("stopped");
  };
  const abandon = async (): Promise<void> => {
    await workers.kill();
    await privateRedis?.close();
  };
  try {
    const port = await workers.open();
    return { server: { port, close, abandon }, view: workers };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One of the processes of a primary. */
async function startWorker(
  options: ProcessOptions,
  { redis }: Assignment,
  link: PrimaryLink,
): Promise<RunningServer> {
  try {
    const server = await startServer({
      ...options,
      redis: redis === null ? options.redis : socketAddress(redis),
    });
    link.serves(server.view, options.journal);
    const close = async (): Promise<void> => {
      await server.close();
      await link.ends();
    };
    return { ...server, close };
  } catch (error) {
    await link.failed(reasonOf(error));
    throw error;
  }
}

/** Starts a server that is told of by HTTP until it has gone, where that was asked for: both ports or nothing at all. */
async function withOperatorPort(
  { host, port, metrics, journal }: ProcessOptions,
  start: () => Promise<{ server: RunningServer; view: OperatorView }>,
): Promise<RunningServer> {
  if (port !== 0) await tryAddress(host, port);
  if (!metrics) return (await start()).server;
  const operatorPort = new OperatorPort(journal);
  try {
    await operatorPort.listen(metrics);
    const { server, view } = await start();
    operatorPort.show(view);
    const close = async (): Promise<void> => {
      await server.close();
      operatorPort.close();
    };
    return { ...server, close };
  } catch (error) {
    operatorPort.close();
    throw error;
  }
}

async function connectStore(
  { redis, durability }: ServerOptions,
  privateRedis: PrivateRedis | null,
  { journal, clock, meter }: { journal: Journal; clock: Clock; meter: Meter },
): Promise<RedisStore> {
  const address = redis ?? socketAddress(privateRedis?.socketPath ?? "");
  const options = { address, durability, journal, clock, meter, role: "store" };
  try {
    return await connectRedis(options);
  } catch (error) {
    if (!privateRedis) throw error;
    // The last server before this one shut it down just after it was found alive.
    await privateRedis.ensure();
    return connectRedis(options);
  }
}

async function joinParts(
  options: ServerOptions & { clock: Clock; node: string; journal: Journal; meter: Meter },
  store: RedisStore,
  privateRedis: PrivateRedis | null,
): Promise<ServingProcess> {
  const { clock, node, journal, meter, rate } = options;
  const userDao = new UserDao(store, { journal, clock });
  const smsDao = new SmsDao(store);
  const cursorDao = new CursorDao({
    store,
    clock,
    journal,
    received: (userId, conv, id) => receipts.acknowledged(userId, conv, id),
    newestLogin: (userId, device, login) => userMgr.replacedElsewhere(userId, device, login),
  });
  const receiptDao = new ReceiptDao(store);
  const presenceDao = new PresenceDao(store, node);
  const tokenDao = new TokenDao(store, clock);
  const throttleDao = rate > 0 ? new ThrottleDao(store) : null;
  const doorbell = new Doorbell({ store, clock, meter, node });
  const follow = new Follow({ smsDao, cursorDao, clock, journal, meter });
  const presence = new PresenceBoard({ presenceDao, clock, journal });
  const lastSeen = new LastSeen({
    receiptDao,
    sessionsOf: (userId) => userMgr.sessionsOf(userId),
    clock,
    node,
  });
  const userMgr = new UserMgr({
    loginDao: new LoginDao(store, node),
    doorbell,
    reading: follow,
    presence,
    lastSeen,
    clock,
    journal,
    meter,
  });
  const receipts = new Receipts({
    receiptDao,
    smsDao,
    doorbell,
    sessionsOf: (userId) => userMgr.sessionsOf(userId),
    clock,
    journal,
  });
  const appender = new Appender({
    smsDao,
    clock,
    journal,
    meter,
    grown: (conv) => {
      doorbell.ring(conv);
      follow.rang(conv);
    },
  });
  const smsProcess = new SmsProcess({
    smsDao,
    cursorDao,
    userDao,
    appender,
    receipts,
    clock,
    meter,
    rate,
  });
  const whyProcess = new WhyProcess({
    smsDao,
    receiptDao,
    presenceDao,
    presence,
    stored: () => store.stored,
  });
  const userProcess = new UserProcess({
    userDao,
    tokenDao,
    throttleDao,
    hasher: new PasswordHasher(options.argon, options.workers),
    userMgr,
    doorbell,
    reading: follow,
    presence,
    receipts,
    stored: () => store.stored,
    clock,
    journal,
    meter,
  });
  const processor = new Processor({ userProcess, smsProcess, whyProcess });
  const listener = new Listener({
    clock,
    journal,
    meter,
    processor,
    proxies: new TrustedProxies(options.trustProxy),
    online: () => presence.userIds(),
    settled: (userId, conv, id) => cursorDao.move(userId, legacyDevice, conv, id),
  });

  const missed = (): void => {
    // Both connections come back by themselves; the later one of them finds the other there.
    if (!store.ready) return;
    void follow.missed();
    void presence.missed();
    // Asked for user by user: once, when what is rung meanwhile is heard again.
    if (!doorbell.hears) return;
    void follow.sweepNow();
    void receipts.missed();
    void userMgr.missed();
  };
  store.onTailsLacking(() => smsDao.announceTails());
  store.onReady(() => {
    smsProcess.forgetHints();
    missed();
  });
  await follow.open();
  await presence.open();
  receipts.open();
  await doorbell.open({
    rang: (conv) => follow.rang(conv),
    replaced: (userId, device, login) => userMgr.replacedElsewhere(userId, device, login),
    received: (sender, conv, id) => receipts.heard(sender, conv, id),
    presenceChanged: (change) => presence.changed(change),
    missed,
  });

  let isDraining = false;
  const gauges: Gauges = {
    connections: () => listener.count,
    connectionsMax: () => listener.countMax,
    sessions: () => userMgr.count,
    usersOnline: () => presence.total,
    readersLagging: () => meter.readersLagging,
    messagesWaiting: () => appender.waitingCount,
    redisCallsWaiting: () => store.waitingCount,
    redisReady: () => Number(store.ready),
    draining: () => Number(isDraining),
    workers: () => 1,
  };
  const readMetrics = options.metrics && (await openMetrics(meter, gauges));
  const port = await listener.listen(options.host, options.port);
  const nodesDao = new NodesDao(store);
  const address = { host: options.host, port };
  const figures = new FiguresBoard({ node, address, nodesDao, meter, gauges, clock });
  const view: ProcessView = {
    metrics: async () => (await readMetrics?.()) ?? [],
    whyNotReady: () => figures.whyNotReady(),
  };
  journal.write("listening", {
    host: options.host,
    port,
    redis: options.redis === null ? "private" : "given",
  });

  const close = async (): Promise<void> => {
    journal.write("draining", { sessions: userMgr.count });
    isDraining = true;
    void figures.drain();
    // Before its sessions go, so that nobody hears that they have.
    const left = presence.leave();
    await listener.drain(userMgr.all());
    follow.close();
    receipts.close();
    // All at once: each waits for Redis, which may be away.
    await Promise.all([left, figures.close(), cursorDao.close()]);
    doorbell.close();
    await store.close();
    await privateRedis?.close();
    journal.write("stopped");
  };
  const abandon = async (): Promise<void> => privateRedis?.close();
  return { port, view, close, abandon };
}

/** Redis, for a command that only looks: the given one, or the private one where it runs; null where it does not. */
async function connectBeside({ redis, data }: ServerFlags, role: string): Promise<RedisStore | null> {
  const socketPath = redis === null ? await runningRedisOf(data) : null;
  const address = redis ?? (socketPath === null ? null : socketAddress(socketPath));
  return address === null ? null : connectRedis({ address, journal: { write: () => undefined }, role });
}

/** What the doctor finds, and its exit code. */
async function doctor(flags: ServerFlags, stdout: Outlet): Promise<number> {
  const texts = doctorTexts[flags.lang];
  const findings = await lookAtMachine({ ...flags, data: flags.redis === null ? flags.data : null }, texts);
  const store = await connectBeside(flags, "doctor").catch((error: unknown) => {
    const says = error instanceof RedisUnreachable ? texts.unreachable(error) : reasonOf(error);
    findings.push({ level: "bad", what: "redis", says });
    return null;
  });
  if (store) {
    const userDao = new UserDao(store);
    if (flags.mend) {
      const say = (text: string): void => void stdout.write(`${text}\n`);
      const { mended, changed } = await mendPasswords(userDao, new PasswordHasher(), (count) =>
        say(`mend  passwords     ${texts.mended(count)}`),
      );
      say(texts.mendedAll(mended, changed));
    }
    const nodesDao = new NodesDao(store);
    const { durability } = flags;
    findings.push(...(await lookAtRedis(store, { durability, userDao, nodesDao }, texts)));
    await store.close();
  } else if (flags.redis === null) {
    findings.push({ level: "warn", what: "redis", says: texts.notRunning(flags.data) });
  }
  stdout.write(linesOf(findings));
  return findings.some(({ level }) => level === "bad") ? 1 : 0;
}

/** The state of all nodes, again and again; its exit code. */
async function top(flags: ServerFlags, stdout: Outlet): Promise<number> {
  const store = await connectBeside(flags, "top");
  if (!store)
    throw new Error(`--data ${flags.data}: no redis-server runs on it; start the server, or give --redis`);
  // Who read it has gone: that is how it ends in a pipe.
  process.stdout.once("error", () => process.exit(0));
  const shown = new TopScreen(new NodesDao(store), { once: flags.once, terminal: process.stdout });
  await shown.run((text) => stdout.write(text), systemClock);
  await store.close();
  return 0;
}

async function main(): Promise<void> {
  const stdout = outletOf(process.stdout);
  const stderr = outletOf(process.stderr);
  const exit = async (code: number): Promise<never> => {
    await Promise.all([stdout.flush(systemClock), stderr.flush(systemClock)]);
    process.exit(code);
  };
  let flags: ServerFlags | "help";
  try {
    flags = parseServerArgs(process.argv.slice(2), process.env);
  } catch (error) {
    stderr.write(`server.ts: ${reasonOf(error)} (see --help)\n`);
    return exit(2);
  }
  if (flags === "help") {
    stdout.write(serverUsage);
    return exit(0);
  }
  if (flags.command !== "serve") {
    const command = flags.command === "doctor" ? doctor : top;
    const code = await command(flags, stdout).catch((error: unknown) => {
      stderr.write(`server.ts: ${reasonOf(error)}\n`);
      return 1;
    });
    return exit(code);
  }
  const assignment = assignmentOf(process.env);
  const link = assignment && new PrimaryLink();
  const label = flags.node ?? hostname();
  const nodeName = newNodeName(assignment ? `${label}-${assignment.slot}` : label);
  const options = { ...flags, nodeName, journal: createJournal(nodeName, stderr) };
  const starting =
    assignment && link
      ? startWorker(options, assignment, link)
      : flags.workers > 1
        ? withOperatorPort(options, () => startPrimary(options))
        : startAlone(options);
  // A signal may come before it has started: then it goes as soon as it has.
  let inOrder = true;
  const handlers: StopHandlers = {
    stop: () =>
      void starting
        .then((server) => server.close())
        .then(
          () => exit(inOrder ? 0 : 1),
          () => exit(1),
        ),
    stopNow: () => {
      // What is cut short may come to its end by that, and has not ended in order.
      inOrder = false;
      const abandoned = starting.then((server) => server.abandon()).catch(() => undefined);
      void Promise.race([abandoned, delay(systemClock, stopNowDeadlineMs)]).then(() => exit(1));
    },
  };
  const onStop = onStopSignal(systemClock, handlers);
  if (link) link.onStop(handlers);
  else for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, onStop);
  try {
    const { port } = await starting;
    if (!link) stdout.write(`haiyu 海语 ${flags.host}:${port}\n`);
  } catch (error) {
    // What went wrong in a worker its primary says.
    if (!link) stderr.write(`server.ts: ${reasonOf(error)}\n`);
    return exit(1);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
