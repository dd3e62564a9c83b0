# `terraform test` makes what the text describes, asks its questions and takes everything away.

variables {
  prefix  = "trial-"
  servers = 1
}

run "the_shop_has_as_many_servers_as_asked_for" {
  assert {
    condition     = length(lab_balancer.front.servers) == var.servers
    error_message = "The balancer does not have every server behind it."
  }
}

run "more_servers_than_fit_are_refused" {
  command = plan

  variables {
    servers = 9
  }

  expect_failures = [var.servers]
}
