/**
 * arrival: when bytes came that were read later ([S-7]): never later than they did, and not much earlier where nothing
 * waited.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrival } from "../lib/arrival.ts";
import { kernelBuffersMaxBytes, socketReadBytes } from "../lib/limits.ts";

test("[S-7] what is read while nothing waits came just then, also after a pause long ago", () => {
  const arrival = new Arrival();
  assert.equal(arrival.read(100, 1000), 1000);
  assert.equal(arrival.read(100, 2000), 2000);
  arrival.paused(3000);
  arrival.resumed(3010);
  assert.equal(arrival.read(100, 3020), 3000);
  assert.equal(arrival.read(100, 3100), 3000, "the other side may still be refilling");
  assert.equal(arrival.read(100, 10_000), 10_000);
  assert.equal(arrival.read(100, 20_000), 20_000);
});

test("[S-7] after a burst that ended with a pause, or with a full read, what comes later came just then", () => {
  const paused = new Arrival();
  assert.equal(paused.read(socketReadBytes, 0), 0);
  paused.paused(10);
  paused.resumed(300);
  assert.equal(paused.read(100, 20_000), 20_000);
  const full = new Arrival();
  assert.equal(full.read(socketReadBytes, 0), 0);
  assert.equal(full.read(100, 20_000), 20_000);
});

test("[S-7] what is read after a pause came when it began, until a read leaves nothing behind", () => {
  const arrival = new Arrival();
  assert.equal(arrival.read(socketReadBytes, 1000), 1000);
  arrival.paused(1000);
  arrival.resumed(5500);
  assert.equal(arrival.read(socketReadBytes, 5500), 1000);
  arrival.paused(5501);
  arrival.resumed(5600);
  assert.equal(arrival.read(socketReadBytes, 5600), 1000);
  assert.equal(arrival.read(10, 6000), 1000);
  assert.equal(arrival.read(10, 6001), 6001);
});

test("[S-7] a stream that never ends is no older than what the kernels hold", () => {
  const arrival = new Arrival();
  const readsMs = kernelBuffersMaxBytes / socketReadBytes;
  let nowMs = 0;
  for (let reads = 0; reads < 10 * readsMs; reads++) {
    const cameMs = arrival.read(socketReadBytes, ++nowMs);
    assert.ok(nowMs - cameMs <= 2 * readsMs, `read at ${nowMs}, said to have come at ${cameMs}`);
  }
});

test("[S-7] what waited for its reader to take its answers counts from then", () => {
  const arrival = new Arrival();
  arrival.paused(1000);
  arrival.forget();
  arrival.resumed(9000);
  assert.equal(arrival.read(socketReadBytes, 9000), 9000);
});
