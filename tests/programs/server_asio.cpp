// SPDX-License-Identifier: MIT
// server_asio.cpp - a line of C++ threads that echo over Asio's blocking sockets
#include <asio.hpp>
#include <iostream>
#include <thread>

static void echo(asio::ip::tcp::socket socket)
{
	std::array<char, 65536> data;
	asio::error_code error;

	for (;;) {
		std::size_t length = socket.read_some(asio::buffer(data), error);

		if (error)
			return;
		asio::write(socket, asio::buffer(data.data(), length), error);
	}
}

int main()
{
	asio::io_context context;
	asio::ip::tcp::acceptor acceptor(context, { asio::ip::address_v4::loopback(), 0 });

	std::cout << "listening on " << acceptor.local_endpoint().port() << std::endl;
	for (;;)
		std::thread(echo, acceptor.accept()).detach();
}
