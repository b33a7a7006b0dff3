//! One suite of behaviours for every transport.
//!
//! Each case gets two nodes with the transport under test between them: actors on the far one,
//! refs on the near one, and every ref is checked to say what it goes through. `Local` is the
//! same suite with both on one node, so that callers may rely on one set of rules.
//!
//! A transport passes when `mycelium_testkit::conformance!` makes no failing test of it; a case
//! is a function of one of the modules below and a line in the list here.

mod actors;
mod archived;
mod asks;
mod backpressure;
mod counts;
mod endings;
mod expiry;
mod forwarding;
mod limits;
mod names;
mod objects;
mod order;
mod reconnects;
mod refs;
mod restarts;
mod watches;

use crate::bed::Bed;
pub use crate::bed::Reach;

/// Makes a test of each case that the suite has for a transport, in a module of its name: `local`,
/// `memory`, `unix`, `tcp` or `tls`; `tcp_sliced` and `tcp_glued` are TCP through a proxy that tears
/// frames apart or runs them together.
///
/// # Examples
///
/// In a file of `tests/`:
///
/// ```
/// mycelium_testkit::conformance!(unix);
/// ```
#[macro_export]
macro_rules! conformance {
    (local) => {
        mod local {
            $crate::__cases_for_all!(Local);
        }
    };
    (memory) => {
        mod memory {
            $crate::__cases_for_all!(Memory);
            $crate::__cases_for_links!(Memory);
        }
    };
    (unix) => {
        mod unix {
            $crate::__cases_for_all!(Unix);
            $crate::__cases_for_links!(Unix);
            $crate::__cases_for_sockets!(Unix);
        }
    };
    (tcp) => {
        mod tcp {
            $crate::__cases_for_all!(Tcp);
            $crate::__cases_for_links!(Tcp);
            $crate::__cases_for_sockets!(Tcp);
        }
    };
    (tls) => {
        mod tls {
            $crate::__cases_for_all!(Tls);
            $crate::__cases_for_links!(Tls);
            $crate::__cases_for_sockets!(Tls);
        }
    };
    (tcp_sliced) => {
        mod tcp_sliced {
            $crate::__cases_for_all!(TcpSliced);
            $crate::__cases_for_links!(TcpSliced);
            $crate::__cases_for_sockets!(TcpSliced);
        }
    };
    (tcp_glued) => {
        mod tcp_glued {
            $crate::__cases_for_all!(TcpGlued);
            $crate::__cases_for_links!(TcpGlued);
            $crate::__cases_for_sockets!(TcpGlued);
        }
    };
}

/// Makes of a list of cases what runs them, and the macro that makes tests of them.
macro_rules! suite {
    ($dollar:tt $tests:ident, $run:ident, $start:ident: $($group:ident { $($case:ident,)+ })+) => {
        /// What a case runs in.
        #[doc(hidden)]
        pub mod $run {
            $(pub mod $group {
                $(pub fn $case(reach: $crate::Reach) {
                    $crate::watched(async {
                        let bed = super::super::Bed::$start(reach).await;
                        super::super::$group::$case(&bed).await;
                        bed.end().await;
                    });
                })+
            })+
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $tests {
            ($dollar reach:ident) => {
                $(mod $group {
                    $(#[test]
                    fn $case() {
                        $dollar crate::conformance::$run::$group::$case($dollar crate::Reach::$dollar reach);
                    })+
                })+
            };
        }
    };
}

suite! {
    $ __cases_for_all, for_all, start:

    order {
        messages_of_one_sender_are_handled_in_the_order_of_their_sends,
        messages_of_many_senders_each_keep_their_order,
        small_and_large_messages_keep_their_order,
        messages_that_an_actor_passes_on_keep_their_order,
        messages_and_asks_of_one_sender_keep_their_order,
        a_stop_takes_effect_after_the_messages_before_it,
    }
    backpressure {
        a_stopped_receiver_takes_its_capacity_and_gives_the_next_message_back,
        a_send_waits_for_room_and_nothing_is_lost,
        waiting_senders_get_room_in_the_order_they_came,
        a_send_that_is_dropped_was_not_sent_and_lets_the_next_one_by,
        a_send_with_a_time_limit_gives_its_message_back,
        a_blocking_send_waits_for_room,
        a_stuck_actor_does_not_hold_up_another,
        both_sides_send_more_than_either_holds,
        many_actors_get_what_is_theirs,
    }
    asks {
        an_ask_is_answered,
        an_ask_is_answered_on_a_thread_outside_the_runtime,
        a_port_that_is_dropped_fails_its_ask,
        a_panic_fails_the_ask_that_is_being_handled,
        an_ask_that_is_not_answered_times_out,
        an_ask_that_finds_no_room_in_time_gives_its_message_back,
        an_ask_of_an_actor_that_is_gone_gives_its_message_back,
        an_ask_that_waits_for_an_actor_that_is_killed_fails,
        an_ask_that_is_dropped_disturbs_nobody,
        many_asks_at_once_each_get_their_answer,
        ports_are_kept_and_answered_later_in_any_order,
    }
    forwarding {
        a_port_that_is_passed_on_answers_the_first_asker,
        a_port_that_comes_back_to_the_askers_node_answers_it,
        a_port_answers_along_a_chain_of_nodes,
        a_port_that_is_dropped_at_the_end_of_a_chain_fails_the_ask,
    }
    refs {
        a_ref_that_comes_home_is_local,
        a_ref_in_a_message_can_be_asked,
        a_ref_that_is_passed_on_is_used_by_a_third_node,
        a_ref_to_an_actor_that_is_gone_arrives_and_fails_when_it_is_used,
        refs_to_one_actor_are_equal_and_hash_alike,
    }
    watches {
        the_end_of_an_actor_is_told_once_with_its_reason,
        a_notice_comes_after_the_last_message_of_the_dead,
        a_notice_comes_after_a_long_last_message,
    }
    endings {
        senders_are_told_why_an_actor_ended_and_keep_their_messages,
        an_actor_that_was_sent_nothing_is_stopped_and_killed,
        a_kill_overtakes_what_was_not_handled,
        waiting_senders_get_their_messages_back_when_the_actor_ends,
        a_panic_ends_that_actor_and_no_other,
        refs_fail_when_the_node_of_their_actors_has_shut_down,
    }
    counts {
        every_accepted_message_is_handled_or_a_dead_letter,
        no_message_is_both_handled_and_given_back,
    }
    expiry {
        what_has_expired_is_refused_and_counted,
        what_finds_no_room_while_it_is_of_use_comes_back,
    }
    names {
        a_name_that_nobody_has_is_not_found,
        a_name_of_another_type_is_refused_by_both_names,
        a_name_goes_with_its_actor_and_can_be_given_again,
    }
    archived {
        messages_of_another_node_are_read_where_they_arrived,
        a_payload_is_never_copied,
    }
    objects {
        objects_arrive_whole_both_ways,
        a_ticket_travels_in_a_message_and_is_good_once,
        a_ticket_that_is_used_twice_at_once_serves_one,
        an_object_without_bytes_needs_no_taking,
        many_objects_at_once_are_kept_apart,
        an_object_that_is_too_long_is_declined_with_both_numbers,
        a_receiver_that_gives_up_ends_the_transfer,
        a_sender_that_gives_up_ends_the_transfer,
        a_receiver_that_takes_nothing_holds_up_nobody,
    }
}

suite! {
    $ __cases_for_links, for_links, start:

    limits {
        messages_up_to_the_limit_pass_and_longer_ones_come_back,
        answers_up_to_the_limit_pass_and_longer_ones_fail_their_ask,
    }
    restarts {
        refs_to_an_earlier_life_of_a_node_are_stale,
    }
}

suite! {
    $ __cases_for_sockets, for_sockets, behind_proxy:

    reconnects {
        a_link_that_was_cut_neither_reorders_nor_repeats,
        while_a_link_is_lost_sends_wait_and_tries_give_their_message_back,
        an_ask_under_way_fails_with_its_connection,
        what_a_cut_leaves_unknown_bounds_what_was_handled,
        a_lost_connection_fails_its_objects_on_both_sides,
    }
}
