//! The domain may not import the contract, so its numbers and names are held against it here.

use identity::domain::messages::Reason;
use identity::domain::password::PasswordRule;
use identity::domain::states;
use proto::identity::v1 as pb;

macro_rules! same {
    ($ours:ty, $theirs:ty, $prefix:literal) => {
        for ours in <$ours>::ALL {
            let theirs = <$theirs>::try_from(i32::from(ours.as_i16())).expect("the contract has the number");
            let name = theirs.as_str_name().strip_prefix($prefix).expect("the prefix").replace('_', "");
            assert_eq!(name, format!("{ours:?}").to_uppercase());
        }
    };
}

#[test]
fn states_have_the_numbers_of_the_contract() {
    same!(states::Role, pb::Role, "ROLE_");
    same!(states::UserState, pb::UserState, "USER_STATE_");
    same!(states::AddressState, pb::AddressState, "ADDRESS_STATE_");
    same!(states::ResetKind, pb::ResetKind, "RESET_KIND_");
    same!(states::DeliveryState, pb::DeliveryState, "DELIVERY_STATE_");
    same!(states::NotSentReason, pb::NotSentReason, "NOT_SENT_REASON_");
    same!(states::LinkState, pb::LinkState, "LINK_STATE_");
}

#[test]
fn reasons_have_the_names_of_the_contract() {
    for (index, reason) in Reason::ALL.iter().enumerate() {
        let number = i32::try_from(index + 1).expect("small");
        let theirs = pb::ErrorReason::try_from(number).expect("the contract has the number");
        assert_eq!(theirs.as_str_name(), format!("ERROR_REASON_{}", reason.as_str()));
    }
    let next = i32::try_from(Reason::ALL.len() + 1).expect("small");
    assert!(pb::ErrorReason::try_from(next).is_err(), "the contract has more reasons");
}

#[test]
fn password_rules_have_the_names_of_the_contract() {
    for rule in [
        PasswordRule::TooShort,
        PasswordRule::TooLong,
        PasswordRule::Common,
        PasswordRule::Guessable,
        PasswordRule::ContextWord,
        PasswordRule::SameAsCurrent,
    ] {
        let name = format!("PASSWORD_RULE_{}", rule.as_str());
        assert!(pb::PasswordRule::from_str_name(&name).is_some(), "{name}");
    }
}
