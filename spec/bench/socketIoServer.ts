/**
 * socketIoServer: `socketIoServer.ts PORT FOLDER`, a program: Socket.IO as a chat room, WebSocket only, no compression.
 * FOLDER is where the package is installed.
 */
import { createRequire } from "node:module";

interface SocketIo {
  on(event: "connection", callback: (socket: RoomSocket) => void): void;
}
interface RoomSocket {
  broadcast: { emit(event: string, text: string): void };
  on(event: string, callback: (text: string) => void): void;
}

const [, , port = "0", folder = "."] = process.argv;
const { Server } = createRequire(`${folder}/`)("socket.io") as {
  Server: new (port: number, options: object) => SocketIo;
};
const server = new Server(Number(port), {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  pingInterval: 600_000,
  serveClient: false,
});
server.on("connection", (socket) => {
  socket.on("say", (text) => socket.broadcast.emit("said", text));
});
