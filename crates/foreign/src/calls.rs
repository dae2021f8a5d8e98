//! The requests of the RPCs.

use prost::Message;
use proto::identity::v1;

/// Reads a message, writes it and reads it again.
fn same_again<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = M::decode(bytes) {
        let again = M::decode(message.encode_to_vec().as_slice()).expect("what we write we can read");
        assert!(message == again, "a message changes on its way");
        assert!(!format!("{message:?}").is_empty());
    }
}

/// The request that the first byte chooses.
pub fn requests(data: &[u8]) {
    const REQUESTS: [fn(&[u8]); 18] = [
        same_again::<v1::RequestResetRequest>,
        same_again::<v1::CheckResetRequest>,
        same_again::<v1::CompleteResetRequest>,
        same_again::<v1::ChangePasswordRequest>,
        same_again::<v1::AdminResetRequest>,
        same_again::<v1::VerifyPasswordRequest>,
        same_again::<v1::CreateOrganizationRequest>,
        same_again::<v1::GetOrganizationRequest>,
        same_again::<v1::UpdateOrganizationRequest>,
        same_again::<v1::CreateUserRequest>,
        same_again::<v1::GetUserRequest>,
        same_again::<v1::ListUsersRequest>,
        same_again::<v1::UpdateUserRequest>,
        same_again::<v1::GetResetRequest>,
        same_again::<v1::ListResetsRequest>,
        same_again::<v1::RevokeResetRequest>,
        same_again::<v1::ExplainResetRequest>,
        same_again::<v1::ListAuditEventsRequest>,
    ];
    if let Some((first, rest)) = data.split_first() {
        REQUESTS[usize::from(*first) % REQUESTS.len()](rest);
    }
}
