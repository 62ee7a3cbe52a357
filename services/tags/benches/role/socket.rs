//! The role behind a socket of this process.

use tagbid_runtime::Tasks;
use tagbid_tags::Service;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::RoutesBuilder;

use crate::role;

/// Serves on a free port until the process ends; its address.
pub(crate) async fn serve(service: &Service, tasks: &Tasks) -> String {
    let mut routes = RoutesBuilder::default();
    service.add_grpc(&mut routes, role::tokens());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn("node", async move {
        let server = tonic::transport::Server::builder().tcp_nodelay(true).add_routes(routes.routes());
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    address
}
