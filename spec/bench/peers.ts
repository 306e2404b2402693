/**
 * peers: the servers that people would otherwise use, as far as they are installed.
 */
import type { Peer } from "./axis.ts";
import { ircPeer } from "./ircPeer.ts";
import { mqttPeer } from "./mqttPeer.ts";
import { natsPeer } from "./natsPeer.ts";
import { socketIoPeer } from "./socketIoPeer.ts";

export const allPeers: readonly Peer[] = [natsPeer, ircPeer, mqttPeer, socketIoPeer];
