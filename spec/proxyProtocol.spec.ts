/**
 * proxyProtocol: clients behind a proxy are known by their own address, and only a proxy that is trusted can say it
 * (clause ). The headers are made by hand, from the page that defines them.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { TrustedProxies } from "../lib/proxied.ts";
import { ProxyHeaderError, readProxyHeader } from "../lib/proxyHeader.ts";
import { Bystanders } from "./helpers/bystanders.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, frameOf, registerUser } from "./helpers/wireClient.ts";

const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** Version 2: 0x20 LOCAL, 0x21 PROXY; 0x11 TCP over IPv4, 0x21 over IPv6, 0 unspecified. */
function binary(command: number, family: number, addresses: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(addresses.length);
  return Buffer.concat([signature, Buffer.from([command, family]), length, addresses]);
}

const ports = Buffer.from("d4312299", "hex");
const v4 = Buffer.concat([Buffer.from([203, 0, 113, 9, 192, 0, 2, 1]), ports]);
const v6 = Buffer.concat([Buffer.from(`20010db8${"00".repeat(11)}09`, "hex"), Buffer.alloc(16, 1), ports]);
const mapped = Buffer.concat([Buffer.from(`${"00".repeat(10)}ffffcb007109`, "hex"), Buffer.alloc(16), ports]);
const additions = Buffer.from("040003000000", "hex");

const good: [string, Buffer, string | null][] = [
  ["version 1, IPv4", Buffer.from("PROXY TCP4 203.0.113.9 192.0.2.1 54321 8889\r\n"), "203.0.113.9"],
  ["version 1, IPv6", Buffer.from("PROXY TCP6 2001:db8:0::9 2001:db8::1 54321 8889\r\n"), "2001:db8::9"],
  ["version 1, IPv4 in IPv6", Buffer.from("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n"), "203.0.113.9"],
  ["version 1, unknown", Buffer.from("PROXY UNKNOWN\r\n"), null],
  ["version 1, unknown with words", Buffer.from("PROXY UNKNOWN 1 2 3\r\n"), null],
  ["version 2, IPv4", binary(0x21, 0x11, v4), "203.0.113.9"],
  ["version 2, IPv4 with additions", binary(0x21, 0x11, Buffer.concat([v4, additions])), "203.0.113.9"],
  ["version 2, IPv6", binary(0x21, 0x21, v6), "2001:db8::9"],
  ["version 2, IPv4 in IPv6", binary(0x21, 0x21, mapped), "203.0.113.9"],
  ["version 2, local", binary(0x20, 0x00, Buffer.alloc(0)), null],
  ["version 2, local with addresses", binary(0x20, 0x11, v4), null],
  ["version 2, unspecified", binary(0x21, 0x00, additions), null],
  ["version 2, of a unix socket", binary(0x21, 0x31, Buffer.alloc(216)), null],
];

const bad: [string, Buffer][] = [
  ["a frame", frameOf("PingMes", { n: 1 })],
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["another word", Buffer.from("PROXX TCP4 1.2.3.4 1.2.3.4 1 2\r\n")],
  ["no family", Buffer.from("PROXY \r\n")],
  ["UDP", Buffer.from("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n")],
  ["IPv6 as IPv4", Buffer.from("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["an address with a zero before it", Buffer.from("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n")],
  ["a port too high", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n")],
  ["a signed port", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n")],
  ["two spaces", Buffer.from("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n")],
  ["a word too many", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n")],
  ["a control character", Buffer.from("PROXY TCP4 1.2.3.4\n 1.2.3.4 1 2\r\n")],
  ["a line without end", Buffer.from(`PROXY UNKNOWN ${"x".repeat(200)}`)],
  ["version 1 in binary", binary(0x11, 0x11, v4)],
  ["version 3", binary(0x31, 0x11, v4)],
  ["command 2", binary(0x22, 0x11, v4)],
  ["UDP in binary", binary(0x21, 0x12, v4)],
  ["family 4", binary(0x21, 0x41, v4)],
  ["addresses too short", binary(0x21, 0x11, v4.subarray(1))],
  ["IPv6 in an IPv4's room", binary(0x21, 0x21, v4)],
  ["a length beyond all bounds", Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
];

for (const [what, header, address] of good) {
  test(`[R-13] ${what} is understood, however it is cut, and what follows is left`, () => {
    for (let length = 0; length < header.length; length++) {
      assert.equal(readProxyHeader(header.subarray(0, length)), null, `${length} bytes`);
    }
    const followed = Buffer.concat([header, Buffer.from("PROXY UNKNOWN\r\n")]);
    for (const bytes of [header, followed]) {
      assert.deepEqual(readProxyHeader(bytes), { length: header.length, address });
    }
  });
}

for (const [what, header] of bad) {
  test(`[R-13] ${what} is refused`, () => {
    assert.throws(() => readProxyHeader(header), ProxyHeaderError);
  });
}

test("[R-13] any bytes are a header, none, or the beginning of one; nothing else is thrown", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.constantFrom(...good.map(([, header]) => header)),
  );
  const bytes = fc.array(piece, { maxLength: 4 }).map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        bytes.map((rest) => Buffer.concat([signature, rest])),
      ),
      (any) => {
        try {
          const header = readProxyHeader(any);
          assert.ok(header === null || header.length <= any.length, "it takes no more than there is");
        } catch (error) {
          assert.ok(error instanceof ProxyHeaderError, String(error));
        }
      },
    ),
  );
});

test("[R-13] who is trusted is told by address and subnet, IPv4 inside IPv6 too", () => {
  const proxies = new TrustedProxies(["10.1.0.0/16", "192.0.2.7", "fd00::/8"]);
  const trusted = ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "fd12::1"];
  assert.deepEqual(
    trusted.filter((address) => !proxies.has(address)),
    [],
  );
  const others = ["10.2.0.1", "192.0.2.8", "fe80::1", "::1", "127.0.0.1", "", "unix"];
  assert.deepEqual(
    others.filter((address) => proxies.has(address)),
    [],
  );
  assert.equal(new TrustedProxies([]).has("127.0.0.1"), false, "nobody, unless it is said");
});

const proxy = "127.0.0.2";

describe("behind a proxy", { concurrency: false }, () => {
  const clock = new ManualClock();
  let redis: SpecRedis;
  let server: SpecServer;
  before(async () => {
    redis = await startRedis();
    server = await startSpecServer({ redis, clock, rate: 50, trustProxy: [proxy] });
  });
  after(async () => {
    await server.close();
    await redis.stop();
  });

  const login = (userId: number, userPwd = `pw${userId}`): Buffer =>
    frameOf("LoginMes", { userId, userPwd, v: 2, presence: false });
  const addressesOf = (userId: number): unknown[] =>
    server.events
      .filter(({ event, ...fields }) => event === "session_opened" && fields.userId === userId)
      .map(({ address }) => address);

  test("[R-13] a client has its own address, in the journal and for throttling, however the bytes come", async () => {
    await registerUser(server.port, 1);
    const whole = await WireClient.connect(server.port, proxy);
    whole.bytes(Buffer.concat([binary(0x21, 0x11, v4), login(1, "wrong"), login(1)]));
    assert.equal((await whole.next("LoginResMes")).data.code, 403);
    assert.equal((await whole.next("LoginResMes")).data.code, 200);
    assert.ok((await redis.client.exists("{ip:203.0.113.9}:login")) === 1, "its failure is its own");
    assert.equal(await redis.client.exists(`{ip:${proxy}}:login`), 0, "and not the proxy's");
    const pieces = await WireClient.connect(server.port, proxy);
    for (const byte of Buffer.concat([Buffer.from("PROXY TCP6 2001:db8::9 ::1 1 2\r\n"), login(1)])) {
      pieces.bytes(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await pieces.next("LoginResMes")).data.code, 200);
    const own = await WireClient.connect(server.port, proxy);
    own.bytes(Buffer.concat([binary(0x20, 0, Buffer.alloc(0)), login(1)]));
    assert.equal((await own.next("LoginResMes")).data.code, 200);
    const direct = await WireClient.login(server.port, { userId: 1, userPwd: "pw1" });
    assert.deepEqual(addressesOf(1), ["203.0.113.9", "2001:db8::9", proxy, "127.0.0.1"]);
    for (const client of [whole, pieces, own, direct]) client.destroy();
  });

  test("[R-13] [K-6] what is no header costs its connection, without an answer, and nobody else anything", async () => {
    const others = await Bystanders.meet(server.port, 100);
    for (const [what, header] of bad) {
      const client = await WireClient.connect(server.port, proxy);
      client.bytes(header);
      await client.closed;
      assert.deepEqual(client.heard, [], what);
    }
    const broken = server.events.filter(({ event }) => event === "proxy_header_broken");
    assert.equal(broken.length, bad.length);
    for (const { address } of broken) assert.equal(address, proxy);
    assert.deepEqual(
      server.events.filter(({ event }) => event === "connection_failed"),
      [],
    );
    await others.assertUndisturbed();
    others.leave();
  });

  test("[R-13] [F-5] who is not trusted cannot be somebody else", async () => {
    for (const [what, header] of good) {
      const client = await WireClient.connect(server.port);
      client.bytes(Buffer.concat([header, login(1)]));
      await client.next("ErrorMes");
      await client.closed;
      assert.ok(!client.heard.some(({ type }) => type === "LoginResMes"), what);
    }
  });

  test("[R-13] a look whether somebody is there is nothing; a header has 5 s", async () => {
    const before = server.events.length;
    const end = await WireClient.connect(server.port, proxy);
    await end.end();
    const reset = await WireClient.connect(server.port, proxy);
    reset.socket.resetAndDestroy();
    const half = await WireClient.connect(server.port, proxy);
    half.bytes(binary(0x21, 0x11, v4).subarray(0, 20));
    const silent = await WireClient.connect(server.port, proxy);
    await until("both to be given up", () => {
      clock.advance(1000);
      return half.isClosed && silent.isClosed;
    });
    assert.deepEqual(server.events.slice(before), []);
  });

  test("[R-13] [X-2] one that has not said its header does not keep the server", async () => {
    const leaving = await startSpecServer({ redis, clock: new ManualClock(), trustProxy: [proxy] });
    const silent = await WireClient.connect(leaving.port, proxy);
    await leaving.close();
    await silent.closed;
  });
});
