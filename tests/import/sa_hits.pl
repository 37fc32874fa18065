#!/usr/bin/perl
# What real SpamAssassin 4 makes of messages: one line a message, `path<TAB>score<TAB>RULE=value,...`, every
# rule and sub-rule with a value other than 0. Local tests only, no Bayes (score set 0).
#
# usage: sa_hits.pl ROOT LIST [SITE_RULES]
#   ROOT        folder that the paths of LIST are relative to
#   LIST        file with one path a line
#   SITE_RULES  folder of site configuration instead of /etc/spamassassin
use strict;
use warnings;
use Mail::SpamAssassin;

my ($root, $list, $site) = @ARGV;
die "usage: sa_hits.pl ROOT LIST [SITE_RULES]\n" unless defined $list;

my $spamassassin = Mail::SpamAssassin->new({
    local_tests_only => 1,
    dont_copy_prefs => 1,
    userprefs_filename => '/dev/null',
    ($site ? (site_rules_filename => $site) : ()),
    post_config_text => join("\n",
        'use_bayes 0',
        'use_auto_welcomelist 0',
        'skip_rbl_checks 1',
        # What ends the evaluation early would hide rules.
        'shortcircuit ALL_TRUSTED off',
        'time_limit 0') . "\n",
});
$spamassassin->init(1);

open my $paths, '<', $list or die "$list: $!\n";
$| = 1;
while (my $path = <$paths>) {
    chomp $path;
    open my $file, '<:raw', "$root/$path" or die "$root/$path: $!\n";
    my $bytes = do { local $/; <$file> };
    close $file;
    my $message = $spamassassin->parse($bytes);
    my $status = $spamassassin->check($message);
    my $hits = $status->{tests_already_hit};
    my @values = map { "$_=$hits->{$_}" } grep { $hits->{$_} } sort keys %$hits;
    printf "%s\t%.3f\t%s\n", $path, $status->get_score(), join(',', @values);
    $status->finish();
    $message->finish();
}
