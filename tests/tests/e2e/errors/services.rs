//! The services beside ours on the same port: health and reflection.

use std::{collections::BTreeSet, time::Duration};

use e2e::{Refusal, World, contract, wire::Call, world::Program};
use futures::StreamExt;
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const SERVICES: [&str; 4] =
    ["", "sandi.identity.v1.IdentityService", "sandi.identity.v1.DirectoryService", "sandi.identity.v1.SupportService"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn health_is_told_to_everybody_by_service() {
    let world = World::build().mailers(0).start().await;
    let mut health = HealthClient::new(world.channel(0));
    for service in SERVICES {
        let response = health.check(of(service)).await.expect("no token is asked for").into_inner();
        assert_eq!(response.status(), ServingStatus::Serving, "{service:?}");
    }
    let status = health.check(of("sandi.identity.v1.GuessService")).await.expect_err("there is none");
    assert_eq!(status.code(), Code::NotFound, "as grpc.health.v1 says");
    assert_eq!(Refusal::from(&status).domain, "sandi.identity", "{status:?}");
}

#[tokio::test]
async fn a_question_about_health_is_short() {
    let world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let asked = |method: &str, message: &[u8]| Call::to(&format!("/grpc.health.v1.Health/{method}")).message(message);
    // Field 1, of 4,093 bytes.
    let longest = [&[0x0a, 0xfd, 0x1f][..], &[b'x'; 4093]].concat();
    assert_eq!(wire.call(asked("Check", &longest)).await.refusal().code, Code::NotFound);
    for (method, size) in [("Check", 4 * 1024 + 1), ("Check", 64 * 1024 + 1), ("Watch", 64 * 1024 + 1)] {
        let refusal = wire.call(asked(method, &vec![0; size])).await.refusal();
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"), "{method}");
    }
}

#[tokio::test]
async fn whoever_watches_health_hears_of_the_end_before_it_comes() {
    let mut world = World::build().mailers(0).start().await;
    let mut health = HealthClient::new(world.channel(0));
    let mut watched = health.watch(of("sandi.identity.v1.IdentityService")).await.expect("it can be").into_inner();
    let mut next = async || -> Option<Result<HealthCheckResponse, Status>> {
        tokio::time::timeout(Duration::from_secs(10), watched.next()).await.expect("something is said")
    };
    assert_eq!(next().await.expect("a first word").expect("no error").status(), ServingStatus::Serving);
    let ended = tokio::task::spawn_blocking(move || world.terminate(Program::Identity, 0));
    assert_eq!(next().await.expect("a last word").expect("no error").status(), ServingStatus::NotServing);
    assert!(ended.await.expect("it ends").success());
}

async fn reflected(world: &World, request: MessageRequest) -> Result<MessageResponse, Status> {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let mut client = ServerReflectionClient::new(world.channel(0));
    let answers = client.server_reflection_info(futures::stream::iter([request])).await?.into_inner();
    let answers: Vec<Result<ServerReflectionResponse, Status>> = answers.collect().await;
    Ok(answers.into_iter().next().expect("an answer")?.message_response.expect("a response"))
}

#[tokio::test]
async fn reflection_shows_the_contract_where_it_is_switched_on() {
    let world = World::build().mailers(0).set("identity.grpc.reflection=true").start().await;
    let response = reflected(&world, MessageRequest::ListServices(String::new())).await.expect("it is on");
    let MessageResponse::ListServicesResponse(listed) = response else { panic!("{response:?}") };
    let listed: BTreeSet<_> = listed.service.into_iter().map(|service| service.name).collect();
    for rpc in contract::rpcs() {
        assert!(listed.contains(rpc.parent_service().full_name()), "{listed:?}");
        let symbol = MessageRequest::FileContainingSymbol(rpc.full_name().to_owned());
        let response = reflected(&world, symbol).await.expect("it is on");
        assert!(matches!(response, MessageResponse::FileDescriptorResponse(_)), "{}: {response:?}", rpc.full_name());
    }
}

#[tokio::test]
async fn reflection_is_no_method_where_it_is_switched_off() {
    let world = World::build().mailers(0).set("identity.grpc.reflection=false").start().await;
    let status = reflected(&world, MessageRequest::ListServices(String::new())).await.expect_err("it is off");
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    let call = Call::to("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo").bearer(world.token("crm"));
    let refusal = world.wire().await.call(call).await.refusal();
    assert_eq!((refusal.reason.as_str(), refusal.domain.as_str()), ("METHOD_UNKNOWN", "sandi.identity"));
}
