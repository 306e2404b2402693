/**
 * limits: every bound of the system, its unit in its name. Nothing else in lib/ holds a bare number that
 * limits what a stranger may send or what a session may cost. The part a client must know is `toldLimits`
 * (sent in LoginResMes.limits, clause [L-6]). The relations the rest of the code leans on are asserted at the end.
 */

// Frames, [F-2].
export const frameHeaderBytes = 4;
export const framePreLoginMaxBytes = 4 * 1024;
export const frameMaxBytes = 64 * 1024;
export const legacyFrameMaxBytes = 8096;
export const jsonDepthMax = 8;

// Fields, [M-2].
export const userIdMax = Number.MAX_SAFE_INTEGER;
export const userNameMaxCodePoints = 32;
export const passwordMaxBytes = 256;
export const deviceMaxChars = 32;
export const devicesPerUserMax = 16;
export const contentMaxUnits = 4000;
export const midMaxChars = 64;
export const tokenMaxChars = 128;
export const sexMaxUnits = 16;

// Pages and lists.
export const historyPageMaxMessages = 200;
export const historyPageDefaultMessages = 50;
export const usersPageMaxUsers = 500;
export const usersPageDefaultUsers = 100;
export const presenceFrameMaxUsers = 400;
export const loginConvsMax = 200;
export const replayMaxMessages = 1000;

// The log, design 4.
export const allLogEntriesMax = 100_000;
export const privateLogEntriesMax = 10_000;
export const midDaysKept = 4;
export const readBatchMaxEntries = 256;
export const appendBatchMaxMessages = 256;
export const appendQueueMaxMessages = 20_000;
export const hintedConvsMax = 200_000;
export const knownHeadsMax = 200_000;
export const tailsAnnouncedMax = 10_000;
export const tailsSliceConvs = 100;
/** Of earlier epochs a log no longer knows how many messages each had, only how many there were. */
export const epochsCountedMax = 16;
export const loginPeersMax = 2_000;
export const standSliceConvs = 64;
export const standSlicesMax = 4;
export const replayReadsMax = 8;
export const sweepPeersMax = 500;

// One connection.
export const firstFrameDeadlineMs = 10_000;
export const loginDeadlineMs = 30_000;
export const startedFrameDeadlineMs = 15_000;
export const pingSilenceMaxMs = 15_000;
export const undrainedWriteDeadlineMs = 60_000;
export const connectionCheckMs = 1_000;
export const unheardBeforeLookMs = 5_000;
/** The kernel writes 150 bytes a socket into its table, and 1 MiB of it costs some 3 % of a core for a second. */
export const socketTableBytesPerSecondMax = 1024 * 1024;
/** To name 1,000 sockets takes some 5 ms. */
export const lookSendersMax = 1_000;
export const socketTableReadBytes = 64 * 1024;
export const keepAliveDelayMs = 8_000;
export const closeFlushDeadlineMs = 5_000;
export const requestsInFlightMax = 1024;
export const requestBytesInFlightMax = 512 * 1024;
/** What Node reads from a socket at a time. */
export const socketReadBytes = 64 * 1024;
/** What the kernels of both sides hold of one connection at most, by their usual settings. */
export const kernelBuffersMaxBytes = 10 * 1024 * 1024;
export const arrivalSettleMs = 250;
export const arrivalQuietMs = 1_500;
export const outputBacklogMaxBytes = 256 * 1024;
export const proxyLineMaxBytes = 107;
export const proxyHeaderMaxBytes = 2_048;
export const proxyHeaderDeadlineMs = 5_000;
export const listenBacklogConnections = 4096;
export const reservedFileDescriptors = 64;
export const connectionsMin = 64;

// Fan-out.
export const fanoutSliceSessions = 128;
export const fanoutEntryOverheadBytes = 280;
export const fanoutFlushMaxBytes = 64 * 1024;
export const presenceWindowMs = 50;
export const presenceSlowRetryMs = 500;
export const presenceMoveMs = 1_000;
export const presenceLogMaxChanges = 200_000;
export const presenceSnapshotStaleMax = 64;
/** An encoded list is good until a quarter of it has changed. */
export const presenceSnapshotChangesDivisor = 4;
export const presenceFanoutMaxUsers = 20_000;
export const sharedBatchesMax = 32;
export const readRetryMs = 250;
export const readRetryMaxMs = 2_000;
export const subscribeSliceChannels = 500;
export const bellPingMs = 1_000;
export const bellRepeatMs = 1_000;
export const unrungBellsMax = 10_000;
export const missedSliceConvs = 500;
export const missedSliceUsers = 200;
export const missedSlicePauseMs = 10;
export const sweepAllMs = 1_000;
export const sweepPrivateMs = 30_000;
export const sweepStepMs = 200;
export const hintRenewMs = 30_000;
/** Hints are stamped by the clocks of their nodes, which may differ. */
export const hintSkewMs = 60_000;

// The first-generation client, [G-*].
export const legacyNoticesPerSecond = 20;
export const legacyBurstMaxBytes = 16 * 1024;
export const legacyBurstPauseMs = 2;
export const legacySettleMs = 5_000;
export const legacyFinSettleMs = 2_000;
/** Bursts that wait to be settled; beyond that two are settled as one. */
export const legacyUnsettledMax = 1_024;
/** How often it is noted that this process runs, and how much of a pause between two such notes counts as running. */
export const wakeTickMs = 200;
export const wakeStepMaxMs = 250;

// Answers and storage.
export const answerDeadlineMs = 5_000;
export const storeDeadlineMs = 2_000;
export const storeSilenceMs = 1_800;
export const storeLoadingLookMs = 250;
export const storeReadonlyLookMs = 2_000;
export const storeReconnectMaxMs = 250;
export const hungLinkEndMs = 200;
export const storeConnectMaxMs = 5_000;
export const slotsLookMs = 2_000;
export const slotMovingPauseMs = 50;
export const replicaWaitMs = 1_000;
export const replicasMax = 9;
export const provenBatchMaxWrites = 2_048;
export const provenQueueMs = 1_000;
export const provenLookMs = 100;
export const answerReserveMs = 700;
export const answerLookMs = 100;
export const repeatPauseMs = 200;
export const promiseReadMs = 10_000;
export const journalRepeatMs = 1_000;
export const historyReadsMax = 8;
export const historyPartMessages = 32;
export const redisCallsInFlightMax = 20_000;
export const cursorFlushMs = 1_000;
export const cursorWritesMax = 2_048;
export const acksKeptMax = 16;
export const receiptsAwaitedMax = 100_000;
export const receiptsSweepMs = 30_000;
export const receiptsSweepConvsMax = 1_000;
export const tokenLifeMs = 30 * 24 * 3600 * 1000;
export const tokenBytes = 32;
export const knownUsersMax = 200_000;
export const unreadableSayMs = 60_000;
export const unreadableKnownMax = 1_000;

// Presence leases, design 4.
export const leaseMs = 10_000;
export const leaseBeatMs = 3_000;
/** A node that has not said for so long how it is has missed a beat. */
export const nodeSilentMs = 5_000;
export const leaseSweepMs = 1_000;
export const leaseSweepGapMaxMs = 3_000;

// The operator's view.
export const figuresKeptMs = 15_000;
export const readinessKnownMs = 1_000;
export const operatorRequestDeadlineMs = 5_000;
export const operatorHeaderMaxBytes = 8 * 1024;
export const operatorConnectionsMax = 64;
export const workersMax = 256;
export const workerAnswerMs = 1_000;
/** It asks Redis first. */
export const workerReadyMs = 4_500;
export const workerRestartFirstMs = 200;
export const workerRestartMaxMs = 10_000;
export const workerSettledMs = 10_000;
export const workerDrainDeadlineMs = 9_000;
export const nodeLabelMaxChars = 32;
export const topPeriodMs = 1_000;
export const nodeMajorMin = 20;
export const openFilesComfortable = 10_000;
export const diskFreeMinMib = 100;
export const diskFreeComfortableMib = 2_048;
export const redisMemoryHighShare = 0.7;
export const redisMemoryFullShare = 0.9;
export const redisRoundTripComfortableMs = 20;
export const clockSkewComfortableMs = 500;
export const clockSkewMaxMs = 30_000;
export const scanSliceUsers = 500;

// Passwords and throttling, design 6.
export const argonMemoryKiB = 19 * 1024;
export const argonPasses = 2;
export const hashQueueMax = 10_000;
export const hashWaitMaxMs = 20_000;
export const hashGuessMs = 20;
export const hashRetryMaxMs = 15_000;
export const sendsPerSecondDefault = 50;
export const sendBurstSeconds = 4;
export const loginFailuresFree = 5;
export const loginDelayFirstMs = 1_000;
export const loginDelayMaxMs = 15 * 60_000;
export const addressFailuresPerMinuteMax = 100;
export const addressRegistersPerMinuteMax = 600;

// The private redis-server.
export const socketPathMaxBytes = 107;
export const redisWatchMs = 500;
export const aofReadBytes = 1024 * 1024;
/** Redis takes no longer argument (proto-max-bulk-len). */
export const aofPartMaxBytes = 512 * 1024 * 1024;
export const redisRestartFirstMs = 200;
export const redisRestartMaxMs = 10_000;
export const redisLoadingSayMs = 5_000;
export const lockEmptyMs = 1_000;
/** Whoever holds it may have 4 GB of append-only file to look through. */
export const redisLockWaitMs = 60_000;

// The client.
export const serverAddressesMax = 16;
export const clientConnectDeadlineMs = 10_000;
/** The same where another server may answer. */
export const clientOthersConnectMs = 3_000;
export const clientAnswerDeadlineMs = 10_000;
export const clientPasswordDeadlineMs = 40_000;
export const clientLoginWaitMs = 120_000;
export const clientRetrySpreadMaxMs = 1_000;
export const clientPingMs = 5_000;
export const clientSilenceMaxMs = 10_000;
export const clientAckMs = 5_000;
export const clientPrivateAckMs = 500;
export const clientAckMessages = 500;
export const clientRetryMs = 500;
export const clientReconnectFirstMs = 250;
export const clientReconnectMaxMs = 15_000;
export const clientOutgoingMax = 10_000;
export const clientHistoryPageMessages = 20;
export const scriptKeyMaxChars = 52;
export const scriptTimeoutMaxSeconds = 7 * 86_400;
export const scriptDevicesMax = 8;
export const scriptDeviceLookMs = 50;
export const tailQueueMaxMessages = 2_000;
export const tailSaveMaxLines = 64;
export const tailStartSlackMs = 60_000;
export const midKnownMs = 72 * 3600 * 1000;
export const clientNoticesMax = 5;
export const clientQuitWaitMs = 10_000;
export const screenQuitWaitMs = 2_000;
export const clientQuitLookMs = 20;
export const clientExitDeadlineMs = 2_000;
export const inputHistoryMaxLines = 200;
export const inputMaxUnits = 16_000;
export const inputUndoMaxSteps = 100;
export const pasteMaxUnits = 1_000_000;
export const screenColumnsMin = 40;
export const screenRowsMin = 10;
export const screenColumnsMax = 1_000;
export const screenRowsMax = 400;
export const sidebarFromColumns = 80;
export const sidebarColumns = 22;
export const inputRowsMax = 8;
export const frameMs = 50;
export const urgentFrameMs = 10;
export const fetchRetryMs = 1_000;
export const statusTickMs = 1_000;
export const suspendWaitMs = 200;
export const escapeWaitMs = 80;
export const roomItemsMax = 12_000;
export const roomTrimItems = 4_000;
export const roomItemsSpare = 1_000;
export const digestWaitMs = 2_000;
export const digestConvsMax = 20;
export const presenceNamesMax = 3;
export const readMarksConvsMax = 1_000;
export const readMarksWriteMs = 1_000;
export const completionsMax = 50;
export const completionsShown = 6;
export const searchFoundMax = 500;

// Line by line. What a terminal hands on of one line, without its end; where it was cut it is just as long.
export const ttyLineMaxBytes = 4_095;
export const plainBurstMs = 250;
export const plainPasteMs = 60;
export const plainPasteNextMs = 500;
export const plainAnswerWaitMs = 300;
export const plainProgressMs = 5_000;
export const plainWaitingMax = 3;
export const presenceFoldFirstMs = 5_000;
export const presenceFoldMs = 60_000;
export const offlineSayFirstMs = 10_000;

// stdout and stderr.
export const outletBacklogMaxBytes = 1024 * 1024;
export const outletRetryMs = 10;
export const outletFlushDeadlineMs = 500;

// Going away.
export const drainDeadlineMs = 8_000;
export const stopAgainMs = 1_000;
export const stopNowDeadlineMs = 1_000;
export const restartRetryMs = 500;
export const restartSpreadMinMs = 500;
export const restartSpreadPerSessionMs = 1;
export const restartSpreadMaxMs = 6_000;

/** What LoginResMes.limits tells a modern client: shapes and units are part of the wire, [L-6]. */
export const toldLimits = {
  frameMaxBytes,
  contentMaxUnits,
  userNameMaxCodePoints,
  midMaxChars,
  deviceMaxChars,
  devicesPerUserMax,
  historyPageMaxMessages,
  usersPageMaxUsers,
  replayMaxMessages,
  pingSilenceMaxMs,
  answerDeadlineMs,
} as const;

function assertRelation(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits.ts: wanted ${relation}`);
}
// A content unit costs at most 7 bytes on the wire (a control character: \\u0001), so every SmsMes fits a frame.
assertRelation(
  contentMaxUnits * 7 + 4096 <= frameMaxBytes,
  "one message of the longest content in one frame",
);
assertRelation(
  storeDeadlineMs * 2 < answerDeadlineMs,
  "a store call and one repeat before the answer is due",
);
assertRelation(
  storeSilenceMs < storeDeadlineMs,
  "a dead link is given up before its calls, so that their repeat is on a fresh one",
);
assertRelation(clientPrivateAckMs + cursorFlushMs <= 2_000, "a receipt within 2 s, [B-2]");
assertRelation(provenQueueMs + replicaWaitMs <= storeDeadlineMs, "a proof for what has waited, in time");
assertRelation(cursorWritesMax <= provenBatchMaxWrites, "cursors wait for one proof");
assertRelation(replicaWaitMs < storeSilenceMs, "replicas are waited for on a link that counts as alive");
assertRelation(
  hashWaitMaxMs * 2 <= clientPasswordDeadlineMs,
  "a client that waits for its password longer than the server lets it wait",
);
assertRelation(leaseBeatMs * 3 < leaseMs, "three beats in a lease");
assertRelation(leaseSweepMs < leaseSweepGapMaxMs, "a sweep comes before its absence is a gap");
assertRelation(leaseSweepGapMaxMs + leaseBeatMs < leaseMs, "a gap that is none outlasts no lease");
// A client waits up to half as long again as it was told.
assertRelation(
  (restartRetryMs + restartSpreadMaxMs) * 1.5 < leaseMs,
  "who is sent away by a restart is back before the lease of its server has run out",
);
assertRelation(leaseMs < figuresKeptMs, "a node's figures outlive its lease");
assertRelation(storeDeadlineMs * 2 < workerReadyMs, "a worker that says what Redis did not answer");
assertRelation(drainDeadlineMs < workerDrainDeadlineMs, "a worker has its time to drain");
assertRelation(wakeStepMaxMs * 2 < legacyFinSettleMs, "a server that was stopped takes nothing for read");
assertRelation(legacyFrameMaxBytes < legacyBurstMaxBytes, "a legacy frame in one burst");
assertRelation(
  outputBacklogMaxBytes >= 2 * fanoutFlushMaxBytes,
  "two flushes before a reader counts as slow",
);
