// SPDX-License-Identifier: MIT
// ServerJava.java - a thread for each connection, over Java's blocking sockets, echoes

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

public class ServerJava {
	static void echo(Socket socket) {
		byte[] data = new byte[4096];

		try (socket) {
			InputStream in = socket.getInputStream();
			OutputStream out = socket.getOutputStream();
			int size;

			while ((size = in.read(data)) > 0)
				out.write(data, 0, size);
		} catch (IOException error) {
			// The client is gone, and so is its thread.
		}
	}

	public static void main(String[] arguments) throws IOException {
		try (ServerSocket listener = new ServerSocket(0, 1024, InetAddress.getLoopbackAddress())) {
			System.out.println("listening on " + listener.getLocalPort());
			for (;;) {
				Socket socket = listener.accept();

				new Thread(() -> echo(socket)).start();
			}
		}
	}
}
