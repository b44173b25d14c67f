import test from 'ava';
void test;
