/**
 * floor: the limit we measure ourselves against, as a program. It hands every frame that came in one turn of the event
 * loop to everybody, in memory, as one shared Buffer; no log-in, no log, no slow readers, nothing else. Its clients
 * send frames that are as long as those which our readers get. Prints the port it listens on.
 */
import { type Socket, createServer } from "node:net";

const members = new Set<Socket>();
/** Tells a member that it is in the room: until the accept it would miss what is said. */
const welcome = Buffer.from("\0\0\0\x02{}");
let turn: Buffer[] = [];

function broadcast(): void {
  const bytes = Buffer.concat(turn);
  turn = [];
  for (const member of members) member.write(bytes);
}

const server = createServer({ noDelay: true }, (socket) => {
  let held: Buffer | null = null;
  members.add(socket);
  socket.write(welcome);
  socket.on("data", (chunk: Buffer) => {
    const bytes: Buffer = held ? Buffer.concat([held, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= 4 && bytes.length - at >= 4 + bytes.readUInt32BE(at))
      at += 4 + bytes.readUInt32BE(at);
    held = at === bytes.length ? null : bytes.subarray(at);
    if (at === 0) return;
    if (turn.length === 0) setImmediate(broadcast);
    turn.push(at === bytes.length ? bytes : bytes.subarray(0, at));
  });
  socket.on("error", () => undefined);
  socket.on("close", () => members.delete(socket));
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
